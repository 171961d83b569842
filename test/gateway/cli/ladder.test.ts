import { describe, expect, test } from 'vitest';
import { drawLoudness, Ladder } from '../../../gateway/cli/ladder.ts';

describe('ladder', () => {
  test('draws messages between the three, all lines of one width', () => {
    const lines: string[] = [];
    const ladder = new Ladder({ write: (line) => lines.push(line), colour: false });
    ladder.message(0.04, 'phoneToGateway', 'INVITE');
    ladder.message(12, 'gatewayToBot', 'connect, 16000 Hz');
    ladder.message(13.25, 'botToGateway', 'answer');
    ladder.message(4_700, 'gatewayToPhone', '200 OK, and a reason phrase beyond all measure');
    ladder.note(5_000, 'talks');
    expect(lines).toEqual([
      '   0.0 ms   │──────── INVITE ─────────▶│                          │',
      '  12.0 ms   │                          │─── connect, 16000 Hz ───▶│',
      '  13.3 ms   │                          │◀──────── answer ─────────│',
      '4700.0 ms   │◀── 200 OK, and a reas ───│                          │',
      '5000.0 ms   │ talks                    │                          │',
    ]);
  });

  test('colours only where it may', () => {
    const lines: string[] = [];
    new Ladder({ write: (line) => lines.push(line), colour: true }).message(1, 'phoneToGateway', 'BYE');
    expect(lines[0]).toContain('\x1b[36m');
  });
});

test('loudness goes from nothing at -50 dBFS to a full bar', () => {
  const pcm = Int16Array.from([0, 0, 104, 104, 3_277, -3_277, 32_767, -32_768]);
  expect(drawLoudness(pcm, 4)).toBe('  ▅█');
  expect(drawLoudness(new Int16Array(0), 3)).toBe('   ');
});
