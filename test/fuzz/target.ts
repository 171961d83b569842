import { ProtocolError } from '../../protocol/protocol-error.ts';

/** One parser, and what it is fed with. */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs to begin from. */
  readonly seeds: readonly Uint8Array[];
  /** What the language is made of. */
  readonly words?: readonly Uint8Array[];
  /** Throws nothing but `ProtocolError` and what `refuses` knows. What it asserts of its own must hold. */
  run(input: Uint8Array): void | Promise<void>;
  readonly refuses?: (error: unknown) => boolean;
}

/** No input of this size may take longer. */
const slowMs = 250;

export function bytesOf(...texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => Uint8Array.from(Buffer.from(text)));
}

/** What is wrong with how the target takes this input; undefined where nothing is. */
export async function judge(target: FuzzTarget, input: Uint8Array): Promise<string | undefined> {
  let tookMs = Number.POSITIVE_INFINITY;
  // A machine that stalls is not the parser's fault: only what is slow again and again is.
  for (let attempt = 0; attempt < 3 && tookMs > slowMs; attempt++) {
    const startedMs = performance.now();
    try {
      await target.run(Uint8Array.from(input));
    } catch (error) {
      const refused = error instanceof ProtocolError || target.refuses?.(error) === true;
      if (!refused) return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    tookMs = Math.min(tookMs, performance.now() - startedMs);
  }
  return tookMs > slowMs ? `took ${tookMs.toFixed(0)} ms` : undefined;
}
