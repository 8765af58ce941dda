import { parentPort } from 'node:worker_threads';
import { describeFailure } from '../../model/errors.js';
import type { CodedTensor } from '../coding-trial.js';
import { createLane } from '../lane.js';
import {
  type Answer,
  type BufferPair,
  type BytesRequest,
  type Job,
  openSharedSource,
  type Request,
} from './messages.js';

// The program of a worker thread, started by `Thread`.

type Lane = ReturnType<typeof createLane>;
type AnyConsumer = ReturnType<Lane[keyof Lane]>;

/**
 * Collects the output of a job until the next answer. Output is returned in the buffers of the answered run
 * where it fits: separate arrays for each answer would fill the heap before they are collected.
 */
class OutputBuffer {
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
   * @param pair buffers that are free for output
   * @returns all bytes added so far, in order: in the pair's buffers, and in a separate array if they do not
   *   fit
   */
  empty(pair?: BufferPair): Uint8Array<ArrayBuffer>[] {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    for (const buffer of pair ? [pair.before, pair.after] : []) {
      const piece = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, this.#length - done));
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
const output = new OutputBuffer();
let consumer: AnyConsumer | undefined;

function answer(request: Request): Answer {
  const pair = request.type === 'push' ? request.pair : undefined;
  try {
    const coded = handle(request);
    return { type: 'answer', pair, bytes: output.empty(pair), ...(coded && { coded }) };
  } catch (error) {
    return { type: 'answer', pair, bytes: [], failure: describeFailure(error) };
  }
}

function handle(request: Request): CodedTensor[] | undefined {
  if (request.type === 'finish') return consumer?.finish() ?? undefined;
  if (request.type === 'begin') {
    output.empty();
    consumer = begin(request.job);
    return undefined;
  }
  const { info, byteOffset, length, pair } = request;
  const [before, after] = [new Uint8Array(pair.before, 0, length), new Uint8Array(pair.after, 0, length)];
  consumer?.push(info, { byteOffset, before, after });
  return undefined;
}

function begin(job: Job): AnyConsumer {
  if (job.type === 'choose') return lane.choose(job.tensors);
  if (job.type === 'write') return lane.write(job.plan, (bytes) => output.add(bytes));
  const records = job.records.map(({ kind, bytes }, record) => {
    return { kind, bytes: openSharedSource(bytes, (at) => send({ type: 'read', record, at })) };
  });
  return lane.check({ records, infos: job.infos });
}

function send(message: Answer | BytesRequest): void {
  const transfer: ArrayBuffer[] = [];
  if (message.type === 'answer' && message.pair) transfer.push(message.pair.before, message.pair.after);
  parentPort?.postMessage(message, transfer);
}

parentPort?.on('message', (request: Request) => send(answer(request)));
