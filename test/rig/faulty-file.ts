/** Numbers from 0 to 1, of which 1 keeps what is at stake and 0 loses it. */
export type Random = () => number;

/** A file's bytes as everyone sees them, and what of them is durable. */
export class FaultyFile {
  bytes: Uint8Array;
  #durable: Uint8Array;
  #unsynced: { readonly offset: number; readonly bytes: Uint8Array }[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#durable = bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#unsynced.push({ offset, bytes });
    this.bytes = overwrite(this.bytes, offset, bytes);
  }

  sync(): void {
    this.#durable = this.bytes;
    this.#unsynced = [];
  }

  clone(): FaultyFile {
    const copy = new FaultyFile(this.#durable);
    copy.bytes = this.bytes;
    copy.#unsynced = [...this.#unsynced];
    return copy;
  }

  /** @returns the file with any part of what was not synced */
  afterCut(random: Random): FaultyFile {
    let found = this.#durable;
    for (const { offset, bytes } of this.#unsynced) {
      if (random() < 0.5) continue;
      // A third of what is kept is torn.
      const isWhole = random() >= 1 / 3;
      const length = isWhole ? bytes.length : Math.floor(random() * bytes.length);
      found = overwrite(found, offset, bytes.subarray(0, length));
    }
    return new FaultyFile(found);
  }
}

/** @returns the bytes with others over them, longer as needed; a hole holds zeros */
function overwrite(bytes: Uint8Array, offset: number, others: Uint8Array): Uint8Array {
  const result = new Uint8Array(Math.max(bytes.length, offset + others.length));
  result.set(bytes);
  result.set(others, offset);
  return result;
}
