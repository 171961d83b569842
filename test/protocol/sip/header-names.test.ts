import { describe, expect, it } from 'vitest';
import { knownHeader } from '../../../protocol/sip/header-names.ts';

describe('a header name', () => {
  it.each([
    { text: 'Via', canonical: 'Via', list: true },
    { text: 'vIA', canonical: 'Via', list: true },
    { text: 'V', canonical: 'Via', list: true },
    { text: 'call-id', canonical: 'Call-ID', list: false },
    { text: 'i', canonical: 'Call-ID', list: false },
    { text: 'WWW-AUTHENTICATE', canonical: 'WWW-Authenticate', list: false },
    { text: 'Content-Encoding', canonical: 'Content-Encoding', list: true },
    { text: 'Content-Language', canonical: 'Content-Language', list: true },
  ])('$text is $canonical', ({ text, canonical, list }) => {
    expect(knownHeader(`x${text}y`, 1, 1 + text.length)).toEqual({ canonical, list });
  });

  it.each(['', 'X-Via', 'Vias', 'z', '__proto__', 'constructor', 'A'.repeat(500)])(
    '%j is unknown',
    (text) => {
      expect(knownHeader(text, 0, text.length)).toBeUndefined();
    },
  );
});
