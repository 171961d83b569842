/** Values by key, of so many bytes in all; what was not used for longest goes first. */
export class SizeCache<Value> {
  readonly #bytesMax: number;
  readonly #held = new Map<string, { readonly value: Value; readonly sizeBytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** One value must leave room for others. */
  get valueBytesMax(): number {
    return this.#bytesMax / 4;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Value | undefined {
    const found = this.#held.get(key);
    if (found === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, found);
    return found.value;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** Keeps it unless it is larger than `valueBytesMax`. */
  set(key: string, value: Value, sizeBytes: number): void {
    this.delete(key);
    if (sizeBytes > this.valueBytesMax) return;
    this.#held.set(key, { value, sizeBytes });
    this.#bytes += sizeBytes;
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#held.get(key)?.sizeBytes ?? 0;
    this.#held.delete(key);
  }

  clear(): void {
    this.#held.clear();
    this.#bytes = 0;
  }
}
