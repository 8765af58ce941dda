import { parentPort } from 'node:worker_threads';
import { type CodedTensor, createLane } from '../exact-diff/index.js';
import { describeFailure } from '../model/index.js';
import { borrowLent } from './lent-bytes.js';
import type { Answer, Need, Order, Request } from './messages.js';
import { Outbox } from './outbox.js';

// This file is a thread's program: see `Thread`.

type Lane = ReturnType<typeof createLane>;
type AnyTaker = ReturnType<Lane[keyof Lane]>;

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
  taker?.take(info, { byteOffset, before, after });
  return undefined;
}

function begin(order: Order): AnyTaker {
  if (order.type === 'choose') return lane.choose(order.tensor);
  if (order.type === 'write') return lane.write(order.plan, (bytes) => outbox.add(bytes));
  const records = order.records.map(({ kind, bytes }, record) => {
    return { kind, bytes: borrowLent(bytes, (at) => send({ type: 'need', record, at })) };
  });
  return lane.check({ records, infos: order.infos });
}

function send(message: Answer | Need): void {
  const moved: ArrayBuffer[] = [];
  if (message.type === 'answer' && message.pair) moved.push(message.pair.before, message.pair.after);
  parentPort?.postMessage(message, moved);
}

parentPort?.on('message', (request: Request) => send(answer(request)));
