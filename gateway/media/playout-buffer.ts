/** Customer audio waiting to be played to the phone: a ring of PCM bytes at the rate it came in. What arrives is
 *  only copied; resampling and encoding happen when a frame is due. It starts small and grows on demand up to
 *  its limit; beyond that the oldest is dropped. */

const sizeBytesInitial = 4096;

export interface PlayoutBufferOptions {
  readonly sampleRateHz: number;
  readonly sizeBytesMax: number;
}

export class PlayoutBuffer {
  readonly sampleRateHz: number;
  readonly #sizeBytesMax: number;
  #bytes: Uint8Array;
  #samples: Int16Array;
  /** Where the oldest sample is. Always even. */
  #readOffset = 0;
  #queuedBytes = 0;
  #droppedBytes = 0;

  constructor({ sampleRateHz, sizeBytesMax }: PlayoutBufferOptions) {
    this.sampleRateHz = sampleRateHz;
    this.#sizeBytesMax = Math.max(2, sizeBytesMax - (sizeBytesMax % 2));
    this.#bytes = new Uint8Array(Math.min(sizeBytesInitial, this.#sizeBytesMax));
    this.#samples = new Int16Array(this.#bytes.buffer);
  }

  get queuedSamples(): number {
    return this.#queuedBytes >>> 1;
  }

  get queuedMs(): number {
    return (this.queuedSamples * 1000) / this.sampleRateHz;
  }

  /** Dropped so far for want of room. */
  get droppedMs(): number {
    return (this.#droppedBytes * 500) / this.sampleRateHz;
  }

  /** Memory held now. */
  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /** Copies `sizeBytes` bytes, an even number, from `bytes[offset]`. */
  push(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    let from = offset;
    let size = sizeBytes;
    if (size > this.#sizeBytesMax) {
      this.#droppedBytes += size - this.#sizeBytesMax;
      from += size - this.#sizeBytesMax;
      size = this.#sizeBytesMax;
    }
    if (this.#queuedBytes + size > this.#bytes.length) this.#makeRoom(size);
    const capacity = this.#bytes.length;
    const at = (this.#readOffset + this.#queuedBytes) % capacity;
    const first = Math.min(size, capacity - at);
    copyBytes(bytes, from, this.#bytes, at, first);
    if (size > first) copyBytes(bytes, from + first, this.#bytes, 0, size - first);
    this.#queuedBytes += size;
  }

  /** Moves up to `samples` samples to `pcm[pcmOffset…]`, oldest first; returns how many there were. */
  take(pcm: Int16Array, pcmOffset: number, samples: number): number {
    const taken = this.#copy(pcm, pcmOffset, samples);
    this.#advance(taken * 2);
    return taken;
  }

  /** Copies up to `samples` samples to `pcm[0…]` and leaves them where they are. */
  peek(pcm: Int16Array, samples: number): number {
    return this.#copy(pcm, 0, samples);
  }

  /** Puts the first `samples` samples of `pcm` in the place of the oldest that wait. */
  overwrite(pcm: Int16Array, samples: number): void {
    const replaced = Math.min(samples, this.queuedSamples);
    const capacity = this.#samples.length;
    const at = this.#readOffset >>> 1;
    for (let i = 0; i < replaced; i++) this.#samples[(at + i) % capacity] = pcm[i]!;
  }

  #copy(pcm: Int16Array, pcmOffset: number, samples: number): number {
    const taken = Math.min(samples, this.queuedSamples);
    const capacity = this.#samples.length;
    const at = this.#readOffset >>> 1;
    const first = Math.min(taken, capacity - at);
    copySamples(this.#samples, at, pcm, pcmOffset, first);
    if (taken > first) copySamples(this.#samples, 0, pcm, pcmOffset + first, taken - first);
    return taken;
  }

  /** Drops up to `samples` samples without counting them as dropped for want of room. */
  skip(samples: number): void {
    this.#advance(Math.min(samples, this.queuedSamples) * 2);
  }

  /** Drops everything that waits. Memory beyond the initial size is given back. */
  clear(): void {
    this.#readOffset = 0;
    this.#queuedBytes = 0;
    if (this.#bytes.length > sizeBytesInitial) this.#allocate(sizeBytesInitial);
  }

  #advance(sizeBytes: number): void {
    this.#queuedBytes -= sizeBytes;
    // From the start again where it is empty, so that short messages stay in one piece and in warm memory.
    this.#readOffset = this.#queuedBytes === 0 ? 0 : (this.#readOffset + sizeBytes) % this.#bytes.length;
  }

  #makeRoom(sizeBytes: number): void {
    const wanted = this.#queuedBytes + sizeBytes;
    const excess = wanted - this.#sizeBytesMax;
    if (excess > 0) {
      this.#droppedBytes += excess;
      this.#advance(excess);
    }
    if (this.#queuedBytes + sizeBytes > this.#bytes.length) this.#grow(Math.min(wanted, this.#sizeBytesMax));
  }

  #grow(sizeBytes: number): void {
    let capacity = this.#bytes.length;
    while (capacity < sizeBytes) capacity *= 2;
    const old = this.#bytes;
    const at = this.#readOffset;
    this.#allocate(Math.min(capacity, this.#sizeBytesMax));
    const first = Math.min(this.#queuedBytes, old.length - at);
    this.#bytes.set(old.subarray(at, at + first));
    this.#bytes.set(old.subarray(0, this.#queuedBytes - first), first);
    this.#readOffset = 0;
  }

  #allocate(sizeBytes: number): void {
    this.#bytes = new Uint8Array(sizeBytes);
    this.#samples = new Int16Array(this.#bytes.buffer);
  }
}

// `set` needs a view of the part to copy, which is garbage a frame; below this a loop is as fast without it.
const loopSizeMax = 256;

function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  size: number,
): void {
  if (size > loopSizeMax) {
    to.set(from.subarray(fromOffset, fromOffset + size), toOffset);
    return;
  }
  for (let index = 0; index < size; index++) to[toOffset + index] = from[fromOffset + index]!;
}

function copySamples(
  from: Int16Array,
  fromOffset: number,
  to: Int16Array,
  toOffset: number,
  size: number,
): void {
  if (size > loopSizeMax) {
    to.set(from.subarray(fromOffset, fromOffset + size), toOffset);
    return;
  }
  for (let index = 0; index < size; index++) to[toOffset + index] = from[fromOffset + index]!;
}
