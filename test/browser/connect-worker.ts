// Runs in a page: a live model whose updater runs in a worker.

import { connectUpdater, type Updater, type UpdaterEvent } from 'neural-diff/updater';
import { type KeptModel, openKeptModel } from '../../examples/browser-update/kept-model.js';
import { predict } from '../../examples/common/golden.js';

export type WorkerKind = 'dedicated' | 'service';

/** What the page has seen. */
export interface Watched {
  /** Types of the updater's events, each followed by the next different one. */
  readonly events: readonly string[];
  /** Durations of tasks that blocked the page, in milliseconds. */
  readonly longTasks: readonly number[];
}

let updater: Updater;
let kept: KeptModel;
let worker: Worker | undefined;
const events: string[] = [];
const longTasks: number[] = [];
const observer = new PerformanceObserver((list) => longTasks.push(...durationsOf(list.getEntries())));

const durationsOf = (entries: readonly PerformanceEntry[]): number[] =>
  entries.map(({ duration }) => duration);

function onEvent({ type }: UpdaterEvent): void {
  if (events.at(-1) !== type) events.push(type);
}

/** Starts the worker and, where it is to be used, opens the live model. */
export async function connect(kind: WorkerKind, script: string, isModelUsed = true): Promise<string> {
  updater = connectUpdater(kind === 'dedicated' ? startDedicated(script) : await startService(script), {
    onEvent,
  });
  const { status, fingerprint } = await updater.start();
  if (isModelUsed)
    kept = await openKeptModel(new URL(script, location.href).searchParams.get('database') as string);
  return `${status} ${fingerprint}`;
}

function startDedicated(script: string): Worker {
  worker = new Worker(script);
  return worker;
}

async function startService(script: string): Promise<ServiceWorker> {
  const { installing, waiting, active } = await navigator.serviceWorker.register(script);
  const service = (installing ?? waiting ?? active) as ServiceWorker;
  while (service.state !== 'activated') await new Promise((resolve) => setTimeout(resolve, 10));
  return service;
}

export function terminate(): void {
  worker?.terminate();
}

export function watch(): void {
  observer.observe({ type: 'longtask' });
}

/** @returns what was seen, once the browser has told of all */
export async function watched(): Promise<Watched> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  longTasks.push(...durationsOf(observer.takeRecords()));
  return { events, longTasks };
}

/** Blocks the page with a task of its own. */
export function block(ms: number): Promise<void> {
  return new Promise((resolve) =>
    setTimeout(() => {
      for (const end = performance.now() + ms; performance.now() < end; );
      resolve();
    }),
  );
}

/** @returns what became of a call: its status, or the code of the refusal */
export async function act(name: 'start' | 'update' | 'confirm' | 'rollback'): Promise<string> {
  try {
    const outcome = await updater[name]();
    return typeof outcome === 'object' ? outcome.status : 'fine';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

let begun: Promise<string> | undefined;

/** Begins a call. */
export function begin(name: 'update'): void {
  begun = act(name);
}

export function end(): Promise<string> | undefined {
  return begun;
}

/** Waits until an event of any tab was told of. */
export async function heard(type: UpdaterEvent['type']): Promise<void> {
  while (!events.includes(type)) await new Promise((resolve) => setTimeout(resolve, 10));
}

export function refresh(): Promise<void> {
  return kept.refresh();
}

export function outputs(input: readonly number[]): number[] {
  return predict(kept.model, input);
}
