import { createRandom } from '../random.ts';

export interface FloodCounts {
  readonly sent: number;
  readonly seconds: number;
}

const sliceMs = 5;
/** After a stall the rest is made up for in slices that do not hold up the thread. */
const sliceMax = 400;

/** Sends `perSecond` datagrams of junk, one after another through `send`; ends after twice the time where the machine has
 *  none for it. `send` is told the number of the datagram. */
export function flood(
  { perSecond, total }: { readonly perSecond: number; readonly total: number },
  send: (junk: Uint8Array, index: number) => void,
): Promise<FloodCounts> {
  const kinds = junkOfAllKinds();
  const startedMs = performance.now();
  let sent = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedMs;
      const due = Math.min(total, Math.floor((elapsedMs / 1_000) * perSecond)) - sent;
      for (let count = Math.min(due, sliceMax); count > 0; count--) {
        send(kinds[sent % kinds.length]!, sent);
        sent++;
      }
      if (sent < total && elapsedMs < (2_000 * total) / perSecond) return;
      clearInterval(timer);
      resolve({ sent, seconds: elapsedMs / 1_000 });
    }, sliceMs);
  });
}

/** Noise of all sizes, RTP that is right but for the sender, of all payload types, with extensions and padding that lie,
 *  RTCP with lengths that lie, STUN. A prime number of them. */
export function junkOfAllKinds(count = 211): Uint8Array[] {
  const random = createRandom(3550);
  return Array.from({ length: count }, (_, index) => {
    const junk = new Uint8Array([0, 1, 11, 12, 172, 200, 1_400][index % 7]!);
    for (let at = 0; at < junk.length; at++) junk[at] = random() * 256;
    if (junk.length < 2) return junk;
    const kind = Math.floor(index / 7) % 5;
    if (kind === 1) junk.set([0x80, 0]);
    if (kind === 2) junk.set([0xb0 | (index & 0x0f), index & 0x7f]);
    if (kind === 3) junk.set([0x81, 200 + (index % 8)]);
    if (kind === 4) junk.set([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42].slice(0, junk.length));
    return junk;
  });
}
