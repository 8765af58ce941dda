// Runs in a page: a live model that is kept in the browser and follows a repository.

import { openHttpSource, type Updater } from 'neural-diff/updater';
import { type KeptModel, openKeptModel } from '../../examples/browser-update/kept-model.js';
import { openKeptUpdater } from '../../examples/browser-update/kept-updater.js';
import { predict } from '../../examples/common/golden.js';

/** What is to be followed, and where it is kept. */
export interface Followed {
  readonly database: string;
  /** Of the server that has `base/` and `releases/`. */
  readonly origin: string;
  /** Root metadata. */
  readonly root: string;
  /** An input of the model. */
  readonly input: readonly number[];
  /** Whether the self-test of an update waits for `letGo`. */
  readonly isHeld?: boolean;
}

/** How the model is that was opened, and what it predicts. */
export interface Seen {
  readonly status: string;
  readonly fingerprint: string;
  readonly counter: number;
  readonly bad: readonly string[];
  readonly outputs: readonly number[];
}

let kept: KeptModel;
let updater: Updater;
let input: readonly number[];
let letGoOn = (): void => {};
let tellOfTest = (): void => {};
const isTesting = new Promise<void>((resolve) => {
  tellOfTest = resolve;
});

/** Opens the model, as a page does when it starts. */
export async function open({ database, origin, root, isHeld, ...rest }: Followed): Promise<Seen> {
  const going = new Promise<void>((resolve) => {
    letGoOn = resolve;
  });
  const hold = async (): Promise<void> => {
    tellOfTest();
    await going;
  };
  input = rest.input;
  updater = await openKeptUpdater({
    database,
    base: `${origin}/base`,
    releases: `${origin}/releases`,
    root: new TextEncoder().encode(root),
    ...(isHeld && { selfTest: hold }),
  });
  await updater.start();
  kept = await openKeptModel(database);
  return look();
}

/** @returns how the model is, and what the live one predicts */
export async function look(): Promise<Seen> {
  const { status, fingerprint, counter, rejectedModels } = await updater.status();
  const bad = rejectedModels.map(({ model }) => model);
  return { status, fingerprint, counter, bad, outputs: predict(kept.model, input) };
}

/** @returns what became of a call: its status, or the code of the refusal */
export async function act(name: 'update' | 'confirm' | 'rollback'): Promise<string> {
  try {
    const outcome = await updater[name]();
    await kept.refresh();
    return typeof outcome === 'object' ? outcome.status : 'fine';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/**
 * Begins to update and confirm the model. @returns once it is begun; `ended` gives the milliseconds that it
 * takes
 */
export function begin(): void {
  const start = performance.now();
  ended = (async () => {
    await act('update');
    await act('confirm');
    return performance.now() - start;
  })();
}

let ended: Promise<number> | undefined;

export function end(): Promise<number> | undefined {
  return ended;
}

/** Waits until the self-test of an update is reached. */
export function testing(): Promise<void> {
  return isTesting;
}

export function letGo(): void {
  letGoOn();
}

/** @returns what a source gives for a file at two times */
export async function fetchTwice(url: string, path: string): Promise<string[]> {
  const source = openHttpSource({ url });
  const texts: string[] = [];
  while (texts.length < 2)
    texts.push(new TextDecoder().decode(await source.fetch(path, { maxBytes: 1_000 })));
  return texts;
}

/** @returns a file, or the code and message of the error */
export async function fetchWith(url: string, headers: Record<string, string>): Promise<string> {
  try {
    const bytes = await openHttpSource({ url, headers }).fetch('redirect', { maxBytes: 1_000 });
    return new TextDecoder().decode(bytes);
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
}

/** @returns what a source gives for a file from an offset on, and where it says that this begins */
export async function fetchRest(url: string, path: string, offset: number): Promise<[number, string]> {
  const part = await openHttpSource({ url }).open(path, { offset });
  let text = '';
  for await (const piece of part.pieces) text += new TextDecoder().decode(piece);
  return [part.offset, text];
}
