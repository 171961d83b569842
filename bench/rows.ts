/** A list of rows of numbers that grows, and is handed over whole. */
export class Rows {
  readonly #width: number;
  #data: Float64Array;
  #used = 0;

  constructor(width: number) {
    this.#width = width;
    this.#data = new Float64Array(width * 256);
  }

  /** Missing columns are 0. */
  add(a: number, b: number, c = 0, d = 0): void {
    if (this.#used + this.#width > this.#data.length) {
      const larger = new Float64Array(this.#data.length * 2);
      larger.set(this.#data);
      this.#data = larger;
    }
    const at = this.#used;
    this.#data[at] = a;
    this.#data[at + 1] = b;
    if (this.#width > 2) this.#data[at + 2] = c;
    if (this.#width > 3) this.#data[at + 3] = d;
    this.#used += this.#width;
  }

  /** The rows since the last time. */
  take(): Float64Array {
    const taken = this.#data.slice(0, this.#used);
    this.#used = 0;
    return taken;
  }
}

/** One array out of many. */
export function joinRows(parts: readonly Float64Array[]): Float64Array {
  const joined = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
