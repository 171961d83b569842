/** Changes inputs for the fuzzers, seeded, and makes those that broke something small. */

const interestingBytes = [
  0, 1, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3a, 0x3b, 0x7e, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff,
];
const bytesMax = 20_000;

/** One to six changes: bits, bytes, pieces taken out, doubled or moved, words of the language put in, two inputs joined. */
export function mutate(
  input: Uint8Array,
  random: () => number,
  { words, others }: { readonly words: readonly Uint8Array[]; readonly others: readonly Uint8Array[] },
): Uint8Array {
  let bytes = Buffer.from(input);
  for (let changes = 1 + Math.floor(random() ** 2 * 6); changes > 0; changes--) {
    bytes = change(bytes, random, words, others);
  }
  return Uint8Array.from(bytes.subarray(0, bytesMax));
}

function change(
  bytes: Buffer<ArrayBuffer>,
  random: () => number,
  words: readonly Uint8Array[],
  others: readonly Uint8Array[],
): Buffer<ArrayBuffer> {
  const below = (limit: number): number => Math.floor(random() * limit);
  const at = below(bytes.length + 1);
  const size = 1 + below(Math.min(64, bytes.length - at + 1));
  const [before, piece, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, at + size),
    bytes.subarray(at + size),
  ];
  switch (below(9)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, piece, piece, after]);
    case 2:
      return Buffer.concat([before, ...Array.from({ length: 1 + below(200) }, () => piece), after]);
    case 3:
      return bytes.subarray(0, at);
    case 4: {
      const word = words[below(words.length)] ?? piece;
      return Buffer.concat([before, word, random() < 0.5 ? piece : Buffer.alloc(0), after]);
    }
    case 5: {
      const other = others[below(others.length)] ?? bytes;
      return Buffer.concat([before, other.subarray(below(other.length))]);
    }
    default: {
      const changed = Buffer.from(bytes);
      for (let index = at; index < at + 1 + below(3) && index < changed.length; index++) {
        const kind = random();
        if (kind < 0.4) changed[index] = changed[index]! ^ (1 << below(8));
        else if (kind < 0.7) changed[index] = interestingBytes[below(interestingBytes.length)]!;
        else changed[index] = below(256);
      }
      return changed;
    }
  }
}

/** The smallest part of `input` found, within a second, that still `fails`. */
export async function minimise(
  input: Uint8Array,
  fails: (part: Uint8Array) => Promise<boolean>,
  limitMs = 1_000,
): Promise<Uint8Array> {
  const deadlineMs = performance.now() + limitMs;
  let least = input;
  for (let piece = Math.ceil(input.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < least.length && performance.now() < deadlineMs; ) {
      const part = Uint8Array.from([...least.subarray(0, at), ...least.subarray(at + piece)]);
      if (await fails(part)) least = part;
      else at += piece;
    }
  }
  return least;
}
