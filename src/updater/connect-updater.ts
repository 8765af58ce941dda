import { reasonOf, throwIfAborted } from '../model/abort.js';
import { randomId } from '../model/bytes.js';
import { NeuralDiffError, reviveFailure } from '../model/errors.js';
import {
  type Answer,
  type Broadcast,
  type Call,
  channelOf,
  DEFAULT_NAME,
  locksOf,
  MARK,
  type Method,
} from './remote-call.js';
import type { CallOptions, Updater, UpdaterEvent } from './updater.js';

/** Default time for a worker to begin a call, in milliseconds. */
const ANSWER_MS = 30_000;

/** How long the last message of a worker may take once its lock is free, in milliseconds. */
const LAST_MESSAGE_MS = 1_000;

/**
 * Connects to an updater that a worker serves with `serveUpdater`. Calls run in the worker; their errors have
 * the codes that they have there.
 *
 * @param worker a `Worker`, a `ServiceWorker` or a `MessagePort`
 * @param options `onEvent` gets the events of this page's calls and, of the same origin, those that other
 *   pages and workers made; `name` as in `serveUpdater`; `answerMs`, the time for the worker to begin a call,
 *   defaults to 30,000
 * @returns the updater; its methods also throw `worker-lost` where the worker has ended or does not answer:
 *   connect to a new one and call `start`. `close` ends the events.
 *
 * @example
 * const { port1: worker, port2: scope } = new MessageChannel(); // or a worker and its global scope
 * const endService = serveUpdater(async (onEvent) => {
 *   const storage = await openModelStorage('models/v1');
 *   const source = openHttpSource({ url: 'https://example.com/releases' });
 *   const root = readFileSync('root.json'); // part of the worker's script
 *   return createUpdater({ storage, disk: storage.disk, folder: 'updates', source, root, onEvent });
 * }, { scope });
 * const updater = connectUpdater(worker, { onEvent: ({ type }) => console.log(type) });
 * await updater.start();
 * if ((await updater.update()).status === 'updated') await updater.confirm();
 * updater.close();
 * endService();
 * worker.close();
 */
export function connectUpdater(
  worker: { postMessage(message: unknown, transfer: Transferable[]): void },
  options: {
    readonly name?: string;
    readonly onEvent?: (event: UpdaterEvent) => void;
    readonly answerMs?: number;
  } = {},
): Updater & { close(): void } {
  const { name = DEFAULT_NAME, onEvent = () => {}, answerMs = ANSWER_MS } = options;
  const connection = randomId();
  let count = 0;
  const channel = options.onEvent && channelOf(name);
  if (channel)
    channel.onmessage = ({ data: { event, calls } }: MessageEvent<Broadcast>) => {
      if (!calls.some((id) => id.startsWith(connection))) onEvent(event);
    };
  const send = async <M extends Method>(
    method: M,
    args: readonly unknown[] = [],
    signal?: AbortSignal,
  ): Promise<Awaited<ReturnType<Updater[M]>>> => {
    throwIfAborted(signal);
    const id = `${connection}-${count++}`;
    const { port1: port, port2: theirs } = new MessageChannel();
    const call: Call = { mark: MARK, name, id, method, args };
    const post = (): void => worker.postMessage(call, [theirs]);
    const result = await listen(port, { call, post, signal, onEvent, answerMs });
    return result as Awaited<ReturnType<Updater[M]>>;
  };
  return {
    start: () => send('start'),
    recover: () => send('recover'),
    status: () => send('status'),
    check: (call) => send('check', [sendable(call)], call?.signal),
    update: (plan, call) => send('update', [plan, sendable(call)], call?.signal),
    history: () => send('history'),
    confirm: () => send('confirm'),
    rollback: () => send('rollback'),
    close: () => channel?.close(),
  };
}

/** @returns options without their signal, which cannot be sent */
function sendable({ signal: _, ...rest }: CallOptions = {}): CallOptions {
  return rest;
}

/** How a page waits for the answer to a call. */
interface Waiting {
  readonly call: Call;
  readonly post: () => void;
  readonly signal: AbortSignal | undefined;
  readonly onEvent: (event: UpdaterEvent) => void;
  readonly answerMs: number;
}

function listen(port: MessagePort, { call, post, signal, onEvent, answerMs }: Waiting): Promise<unknown> {
  const abort = (): void => port.postMessage('abort');
  const alive = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  return new Promise<unknown>((resolve, reject) => {
    const lose = (why: string): void => reject(workerLost(call, why));
    timer = setTimeout(() => lose(`expected an answer within ${answerMs} ms, got none`), answerMs);
    signal?.addEventListener('abort', abort);
    port.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.type === 'begun') {
        clearTimeout(timer);
        whenLost(call, alive.signal, () => {
          timer = setTimeout(() => lose('the worker has ended'), LAST_MESSAGE_MS);
        });
      } else if (data.type === 'event') onEvent(data.event);
      else if (data.type === 'done') resolve(data.value);
      else if (data.type === 'failed') reject(reviveFailure(data.failure));
      else reject(signal && reasonOf(signal));
    };
    post();
  }).finally(() => {
    clearTimeout(timer);
    alive.abort();
    signal?.removeEventListener('abort', abort);
    port.close();
  });
}

/** Calls back when the lock of a call is free, which the browser ensures when its worker ends. */
function whenLost({ id }: Call, signal: AbortSignal, tell: () => void): void {
  const done = locksOf()?.request(`${MARK}/${id}`, { signal }, tell);
  // Aborted, or the page cannot take locks.
  done?.catch(() => undefined);
}

function workerLost({ method }: Call, why: string): NeuralDiffError {
  const message = `Cannot call "${method}" in the worker: ${why}; connect to a new worker and call start()`;
  return new NeuralDiffError('worker-lost', message);
}
