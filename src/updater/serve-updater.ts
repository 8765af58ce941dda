import { reasonOf } from '../model/abort.js';
import { describeFailure } from '../model/errors.js';
import {
  type Answer,
  type Broadcast,
  type Call,
  channelOf,
  DEFAULT_NAME,
  locksOf,
  MARK,
  METHODS,
  type Method,
} from './remote-call.js';
import type { Updater, UpdaterEvent } from './updater.js';

/** A message to a worker; that to a service worker keeps it alive until the call has ended. */
interface CallEvent extends Event {
  readonly data: unknown;
  readonly ports?: readonly MessagePort[];
  waitUntil?(promise: Promise<unknown>): void;
}

/**
 * Serves an updater from a dedicated, shared or service worker to pages, which call it with
 * `connectUpdater`. Call it when the worker's script starts, before anything is awaited.
 *
 * @param open opens the updater at the first call; it must pass `onEvent` on to `createUpdater`. Where it
 *   fails, that call fails, and the next one tries again.
 * @param options `name` tells several updaters of an origin apart; `scope` is the worker's global scope by
 *   default, else a `MessagePort`
 * @returns a function that ends the service
 */
export function serveUpdater(
  open: (onEvent: (event: UpdaterEvent) => void) => Updater | Promise<Updater>,
  options: { readonly name?: string; readonly scope?: EventTarget } = {},
): () => void {
  const { name = DEFAULT_NAME, scope = globalThis as unknown as EventTarget } = options;
  const channel = channelOf(name);
  const running = new Map<string, MessagePort>();
  let opened: Promise<Updater> | undefined;
  const onEvent = (event: UpdaterEvent): void => {
    for (const port of running.values()) port.postMessage({ type: 'event', event } satisfies Answer);
    channel?.postMessage({ event, calls: [...running.keys()] } satisfies Broadcast);
  };
  const updater = (): Promise<Updater> => {
    opened ??= (async () => open(onEvent))().catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  const onMessage = (event: CallEvent): void => {
    const { data } = event;
    const [port] = event.ports ?? [];
    if (!isCall(data) || data.name !== name || port === undefined) return;
    const answered = answer(data, port, { updater, running });
    event.waitUntil?.(answered);
  };
  scope.addEventListener('message', onMessage as (event: Event) => void);
  (scope as Partial<MessagePort>).start?.();
  return () => {
    scope.removeEventListener('message', onMessage as (event: Event) => void);
    channel?.close();
  };
}

function isCall(data: unknown): data is Call {
  const { mark, method } = (data ?? {}) as Partial<Call>;
  return mark === MARK && METHODS.includes(method as Method);
}

/** What calls are answered with. */
interface Service {
  readonly updater: () => Promise<Updater>;
  /** Ports of the calls that run. */
  readonly running: Map<string, MessagePort>;
}

/** Answers a call while a lock tells its page that the worker is alive. */
async function answer(call: Call, port: MessagePort, { updater, running }: Service): Promise<void> {
  const controller = new AbortController();
  port.onmessage = () => controller.abort();
  const run = async (): Promise<void> => {
    running.set(call.id, port);
    port.postMessage({ type: 'begun' } satisfies Answer);
    const last = await resultOf(call, updater, controller.signal);
    running.delete(call.id);
    port.postMessage(last);
    port.close();
  };
  const locks = locksOf();
  await (locks === undefined ? run() : locks.request(`${MARK}/${call.id}`, run));
}

async function resultOf(
  { method, args }: Call,
  updater: () => Promise<Updater>,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const served = await updater();
    const withSignal = args.map((arg, i) =>
      i === OPTIONS_AT[method] ? { ...(arg as object), signal } : arg,
    );
    const run = served[method] as (...args: readonly unknown[]) => Promise<unknown>;
    return { type: 'done', value: await run.apply(served, withSignal) };
  } catch (error) {
    if (signal.aborted && error === reasonOf(signal)) return { type: 'aborted' };
    return { type: 'failed', failure: describeFailure(error) };
  }
}

/** Which argument of a method may have a signal. */
const OPTIONS_AT: Readonly<Partial<Record<Method, number>>> = { check: 0, update: 1 };
