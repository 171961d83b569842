/** Bytes of 16-bit little-endian samples that come cut anywhere, as samples. */
export class SampleJoiner {
  #half: number | undefined;

  /** The whole samples so far: a view on `bytes` where they lie right for one, else a copy. */
  join(bytes: Uint8Array): Int16Array {
    if (this.#half === undefined && bytes.length % 2 === 0 && bytes.byteOffset % 2 === 0)
      return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    const lead = this.#half === undefined ? 0 : 1;
    const joined = new Uint8Array(bytes.length + lead);
    if (this.#half !== undefined) joined[0] = this.#half;
    joined.set(bytes, lead);
    this.#half = joined.length % 2 === 1 ? joined[joined.length - 1] : undefined;
    return new Int16Array(joined.buffer, 0, joined.length >> 1);
  }
}
