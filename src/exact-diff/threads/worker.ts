import { parentPort } from 'node:worker_threads';
import { describeFailure } from '../../model/errors.js';
import { type CodedTensor, createLane } from '../lane.js';
import { type Answer, type BytesRequest, borrowLent, type Job, type Pair, type Request } from './messages.js';

// This file is a thread's program: see `Thread`.

type Lane = ReturnType<typeof createLane>;
type AnyTaker = ReturnType<Lane[keyof Lane]>;

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

const lane = createLane();
const outbox = new Outbox();
let taker: AnyTaker | undefined;

function answer(request: Request): Answer {
  const pair = request.type === 'take' ? request.pair : undefined;
  try {
    const coded = work(request);
    return { type: 'answer', pair, bytes: outbox.empty(pair), ...(coded && { coded }) };
  } catch (error) {
    return { type: 'answer', pair, bytes: [], failure: describeFailure(error) };
  }
}

function work(request: Request): CodedTensor | undefined {
  if (request.type === 'finish') return taker?.finish() ?? undefined;
  if (request.type === 'order') {
    outbox.empty();
    taker = begin(request.order);
    return undefined;
  }
  const { info, byteOffset, length, pair } = request;
  const [before, after] = [new Uint8Array(pair.before, 0, length), new Uint8Array(pair.after, 0, length)];
  taker?.push(info, { byteOffset, before, after });
  return undefined;
}

function begin(order: Job): AnyTaker {
  if (order.type === 'choose') return lane.choose(order.tensor);
  if (order.type === 'write') return lane.write(order.plan, (bytes) => outbox.add(bytes));
  const records = order.records.map(({ kind, bytes }, record) => {
    return { kind, bytes: borrowLent(bytes, (at) => send({ type: 'need', record, at })) };
  });
  return lane.check({ records, infos: order.infos });
}

function send(message: Answer | BytesRequest): void {
  const moved: ArrayBuffer[] = [];
  if (message.type === 'answer' && message.pair) moved.push(message.pair.before, message.pair.after);
  parentPort?.postMessage(message, moved);
}

parentPort?.on('message', (request: Request) => send(answer(request)));
