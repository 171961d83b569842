import { describe, expect, it } from 'vitest';
import { serializeBriefly } from '../../../protocol/sip/brief-response.ts';
import { headerValue, headerValues, type SipResponse } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { createRequest, createTestResponse } from './messages.ts';

const challenge = (algorithm: string) => ({
  name: 'WWW-Authenticate',
  value: `Digest realm="callwire",nonce="abcdefghijklmnopqrstuvwx",qop="auth,auth-int",algorithm=${algorithm}`,
});

const register = createRequest('REGISTER');
const response = createTestResponse(register, 401, '0123456789abcdef', [
  challenge('SHA-256'),
  challenge('MD5'),
  { name: 'Server', value: 'Callwire' },
]);
const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];

describe('a response that must be small', () => {
  const whole = serializeMessage(response).length;

  it('is whole where there is room', () => {
    expect(serializeBriefly(response, whole)).toEqual(serializeMessage(response));
  });

  it('loses what it can, in order, and stays a response', () => {
    const seen = new Set<string>();
    for (let sizeBytesMax = whole; sizeBytesMax > 0; sizeBytesMax--) {
      const bytes = serializeBriefly(response, sizeBytesMax);
      if (bytes.length > sizeBytesMax) break;
      expect(bytes.length).toBeLessThanOrEqual(sizeBytesMax);
      const parsed = parseMessage(bytes) as SipResponse;
      expect(parsed.status).toBe(401);
      for (const name of copied) expect(headerValue(parsed, name)).toBe(headerValue(response, name));
      const algorithms = headerValues(parsed, 'WWW-Authenticate').map(
        (value) => /algorithm=(.*)/.exec(value)?.[1] ?? 'none named',
      );
      seen.add(`${algorithms.join('+')} ${headerValue(parsed, 'Server') ?? ''}`.trim());
    }
    expect([...seen]).toEqual(['SHA-256+MD5 Callwire', 'SHA-256+MD5', 'none named']);
  });

  it.each([
    { asked: ['MD5', 'SHA-256'], kept: undefined },
    { asked: ['SHA-256'], kept: 'SHA-256' },
  ])('keeps of $asked the challenge that every phone understands, if there is one', ({ asked, kept }) => {
    const challenged = createTestResponse(register, 401, '0123456789abcdef', asked.map(challenge));
    const text = Buffer.from(serializeBriefly(challenged, 0)).toString();
    expect(text.match(/WWW-Authenticate/g)).toHaveLength(1);
    expect(/algorithm=(\S+)/.exec(text)?.[1]).toBe(kept);
  });

  it('is as short as it can be where nothing fits', () => {
    const text = Buffer.from(serializeBriefly(response, 0)).toString();
    expect(text).toMatch(/^SIP\/2\.0 401 \r\nv:SIP/);
    expect(text).toMatch(/WWW-Authenticate:Digest realm="callwire",nonce="[^"]*",qop="auth"\r\n\r\n$/);
  });
});
