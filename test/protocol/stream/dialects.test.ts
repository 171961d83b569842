import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { dialectNamed } from '../../../protocol/stream/dialects.ts';
import { streamDialectNames } from '../../../protocol/stream/messages.ts';
import { streamConnect } from '../../support/stream-connect.ts';

const words = ['event', 'media', 'payload', 'action', 'type', 'data', 'name', 'command', 'mark', 'AAAA', ''];
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(...words),
    fc.integer(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe.each(streamDialectNames)('dialect %s', (name) => {
  const session = () => dialectNamed(name).createSession(streamConnect);

  it('is found by its name', () => {
    expect(dialectNamed(name).name).toBe(name);
  });

  it('throws nothing but protocol errors, whatever it reads', () => {
    const texts = fc.oneof(
      values.map((value) => JSON.stringify(value)),
      fc.string(),
      fc.constantFrom(...words),
    );
    const stream = session();
    fc.assert(
      fc.property(texts, (text) => {
        try {
          stream.receiveText(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('reads a long text in a time that grows with its length alone', () => {
    const time = (sizeBytes: number): number => {
      const texts = [
        ' '.repeat(sizeBytes),
        '{"a":'.repeat(sizeBytes / 5),
        `{"payload":"${'A='.repeat(sizeBytes / 2)}`,
      ];
      const stream = session();
      const startMs = performance.now();
      for (const text of texts) {
        try {
          stream.receiveText(text);
        } catch {
          // Only its time is judged.
        }
      }
      return performance.now() - startMs;
    };
    time(1_000);
    expect(time(60_000)).toBeLessThan(500);
  });
});
