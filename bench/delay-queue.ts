/** What is due first comes out first: a binary heap. */
export class DelayQueue<Item> {
  readonly #entries: { readonly dueMs: number; readonly item: Item }[] = [];

  get size(): number {
    return this.#entries.length;
  }

  push(item: Item, dueMs: number): void {
    const entries = this.#entries;
    const entry = { dueMs, item };
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (entries[parent]!.dueMs <= dueMs) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  /** Undefined where nothing is due yet. */
  pop(nowMs: number): Item | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = entries.pop()!;
    if (entries.length === 0) return first.item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && entries[child + 1]!.dueMs < entries[child]!.dueMs) child++;
      if (entries[child]!.dueMs >= last.dueMs) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return first.item;
  }
}
