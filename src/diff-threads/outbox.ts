import type { Pair } from './messages.js';

/**
 * Keeps what a thread writes until it answers. What fits goes into the memory of the run that it answers: arrays made for each
 * answer would fill memory before they are collected.
 */
export class Outbox {
  #bytes = new Uint8Array(2 ** 16);
  #length = 0;

  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const longer = new Uint8Array(2 * length);
      longer.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = longer;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  /**
   * @param pair memory that nobody reads any more
   * @returns all that was added, in order, in the pair's memory and what does not fit in an array of its own
   */
  empty(pair?: Pair): Uint8Array<ArrayBuffer>[] {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    for (const room of pair ? [pair.before, pair.after] : []) {
      const piece = new Uint8Array(room, 0, Math.min(room.byteLength, this.#length - done));
      piece.set(this.#bytes.subarray(done, done + piece.length));
      done += piece.length;
      pieces.push(piece);
    }
    pieces.push(this.#bytes.slice(done, this.#length));
    this.#length = 0;
    return pieces.filter((piece) => piece.length > 0);
  }
}
