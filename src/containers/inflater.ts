/** Where compressed bytes come from: the next few, none at the end; every array is given away. */
export type ReadStep = () => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Inflates bytes with the runtime's own decompressor, a few at a time: runtimes differ in how far they work ahead, so it is handed
 * the next ones only when nothing of the last is left to read. Nothing is running between two calls, and a reader that is not read
 * to its end is let go of: Node 20 fails on streams that are cancelled.
 *
 * Source: DEFLATE, RFC 1951.
 */
export class Inflater {
  readonly #readStep: ReadStep;
  readonly #writer: WritableStreamDefaultWriter<BufferSource>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #written: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(readStep: ReadStep) {
    const { readable, writable } = new DecompressionStream('deflate-raw');
    this.#readStep = readStep;
    this.#writer = writable.getWriter();
    this.#reader = readable.getReader();
  }

  /**
   * @returns what comes out next; nothing at the end
   * @throws whatever `readStep` throws, and the runtime's own errors for what cannot be inflated
   */
  async next(): Promise<Uint8Array> {
    const read = this.#reader.read();
    let isHere = false;
    const settle = (): void => {
      isHere = true;
    };
    const settled = read.then(settle, settle);
    for (;;) {
      await Promise.race([settled, this.#written]);
      if (isHere || this.#isOver) return (await read).value ?? new Uint8Array(0);
      this.#write(await this.#readStep());
    }
  }

  #write(step: Uint8Array<ArrayBuffer>): void {
    this.#isOver = step.length === 0;
    const written = this.#isOver ? this.#writer.close() : this.#writer.write(step);
    this.#written = written.catch(() => {
      // What reads is told why.
      this.#isOver = true;
    });
  }
}
