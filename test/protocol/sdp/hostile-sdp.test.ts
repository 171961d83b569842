import { expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { negotiate } from '../../../protocol/sdp/negotiate.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';
import { hostileSdp, mutatedSdp } from '../../support/hostile-sdp.ts';
import { g722, opus, pcma, pcmu } from './sdp-samples.ts';

function answerTo(body: string | Uint8Array): number {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  try {
    negotiate(readOffer(text), { codecs: [opus, g722, pcmu, pcma], srtp: 'off', direction: 'sendrecv' });
    return 200;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.status ?? 0;
  }
}

it.each(hostileSdp)('$name', ({ body, right }) => {
  expect(right).toContain(answerTo(body));
});

it('1,000 mutations are taken or refused, and nothing else', () => {
  const answers = new Set(mutatedSdp(1_000).map(answerTo));
  expect([...answers].toSorted()).toEqual([200, 400, 488]);
});
