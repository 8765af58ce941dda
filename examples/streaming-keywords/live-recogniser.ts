import { copyModel, type Model, openMemoryStore, type WeightStore } from 'neural-diff';
import { type ApplyOptions, type ApplyResult, applyPayload } from 'neural-diff/apply';
import { createPlainEngine, createRecogniser, type FrameResult, type Recogniser } from './recogniser.js';

/** How a live recogniser works. */
export interface LiveOptions {
  /** Mean probability from which on a word is reported. */
  readonly threshold: number;
  /** Called after each frame, in order. */
  readonly onFrame: (frame: LiveFrame) => void;
  /**
   * Called between two frames, so that others can arrive meanwhile; by default it waits for the next task of
   * the thread.
   */
  readonly pause?: (() => Promise<unknown>) | undefined;
}

/** What became of a frame that arrived. */
export interface LiveFrame extends FrameResult {
  /** Counted from 0. */
  readonly frame: number;
  /** Whole frames that waited behind it. */
  readonly waiting: number;
  /** Updates that the model had been given before. */
  readonly updates: number;
}

/** Bytes of a tensor before they were changed. */
interface Before {
  readonly name: string;
  readonly byteOffset: number;
  readonly bytes: Uint8Array;
}

const nextTask = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve));

/**
 * Recognises words in frames as they arrive, with a model that can be updated meanwhile: no frame is dropped,
 * and what the recurrent layer remembers is kept.
 */
export class LiveRecogniser {
  readonly #store: WeightStore;
  readonly #recogniser: Recogniser;
  readonly #options: LiveOptions;
  readonly #queue: Float32Array[] = [];
  /** Settles when the queue is empty; undefined while nothing runs. */
  #running: Promise<void> | undefined;
  /** Settles when the weights may be used again; undefined while they may. */
  #held: Promise<void> | undefined;
  #lastUpdate: Promise<unknown> = Promise.resolve();
  #received = 0;
  #processed = 0;
  #updates = 0;

  /** Recognises with the bytes of a model of float32 tensors, which updates change. */
  constructor(model: Model, options: LiveOptions) {
    this.#store = openMemoryStore(model);
    this.#options = options;
    const weights = new Map(model.tensors.map((tensor) => [tensor.name, weightsOf(tensor)]));
    const classes = weights.get('words/output/bias')?.length ?? 0;
    this.#recogniser = createRecogniser(createPlainEngine(weights), {
      classes,
      threshold: options.threshold,
    });
  }

  /** Frames that arrived, and those that were recognised; the others wait. */
  get counts(): { readonly received: number; readonly processed: number } {
    return { received: this.#received, processed: this.#processed };
  }

  /** Takes in a window of features, as `createFramer` makes them; it must not be changed afterwards. */
  push(window: Float32Array): void {
    this.#received += 1;
    this.#queue.push(window);
    this.#running ??= this.#run();
  }

  /** Waits until every frame that has arrived is recognised. @throws what `onFrame` throws */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** @returns a copy of the model as it is between two updates */
  copyModel(): Promise<Model> {
    return this.#inTurn(() => copyModel(this.#store));
  }

  /**
   * Applies a payload between two frames.
   *
   * 1. Frames are recognised while the payload is opened and checked and the result's fingerprint computed.
   * 2. Before the first byte is written, frames begin to wait.
   * 3. The changed bytes are written, and read back to verify the fingerprint.
   * 4. The frames that waited are recognised with the updated weights.
   *
   * @throws NeuralDiffError the codes of `applyPayload`, the model being as it was
   */
  apply(payload: Uint8Array, options?: ApplyOptions): Promise<ApplyResult> {
    return this.update((store) => applyPayload(store, payload, options));
  }

  /**
   * Changes the model. Updates take turns; in each, frames wait from the first write on until the change
   * settles. The bytes that it overwrites are kept until then.
   *
   * @param change writes to the store and verifies the result; if it throws, the model is as it was
   */
  update<T>(change: (store: WeightStore) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#change(change));
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#lastUpdate.then(run);
    this.#lastUpdate = result.catch(() => undefined);
    return result;
  }

  async #change<T>(change: (store: WeightStore) => Promise<T>): Promise<T> {
    const changed: Before[] = [];
    let release = (): void => {};
    const hold = (): void => {
      this.#held ??= new Promise((resolve) => {
        release = resolve;
      });
    };
    const write: WeightStore['write'] = async (name, byteOffset, bytes) => {
      hold();
      changed.push({ name, byteOffset, bytes: await this.#read(name, byteOffset, bytes.length) });
      await this.#store.write(name, byteOffset, bytes);
    };
    try {
      const result = await change({ ...this.#store, write });
      if (changed.length > 0) this.#updates += 1;
      return result;
    } catch (error) {
      for (const { name, byteOffset, bytes } of changed.reverse())
        await this.#store.write(name, byteOffset, bytes);
      throw error;
    } finally {
      this.#held = undefined;
      release();
    }
  }

  async #read(name: string, byteOffset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.#store.readInto(name, byteOffset, bytes);
    return bytes;
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        // An update may begin to write in any task: it is asked for last.
        await (this.#options.pause ?? nextTask)();
        while (this.#held) await this.#held;
        const window = this.#queue.shift();
        if (window === undefined) return;
        this.#recognise(window);
      }
    } finally {
      this.#running = undefined;
    }
  }

  #recognise(window: Float32Array): void {
    const waiting = this.#queue.length;
    const result = this.#recogniser.push(window, waiting);
    const frame = this.#processed;
    this.#processed += 1;
    this.#options.onFrame({ ...result, frame, waiting, updates: this.#updates });
  }
}

/** Opens a recogniser on a copy of a stored model. @throws any error of the store */
export async function openLiveRecogniser(store: WeightStore, options: LiveOptions): Promise<LiveRecogniser> {
  return new LiveRecogniser(await copyModel(store), options);
}

/** @returns the weights of a tensor: a view of its bytes, so that they change with these */
function weightsOf({ name, dtype, bytes }: Model['tensors'][number]): Float32Array {
  if (dtype !== 'float32' || bytes.byteOffset % 4 !== 0)
    throw new TypeError(`Cannot recognise words: expected "${name}" to be aligned float32, got ${dtype}`);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
