import { extname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { WeightStore } from '../src/model/store.js';
import { openModel, type WholeModel, wholeModel } from '../src/node/open-model.js';
import { type CopyPaths, checkOutput } from '../src/node/output.js';
import { openPayloadFile } from '../src/node/read-payload.js';
import { readWhole } from '../src/node/read-whole.js';
import type { ByteSource } from '../src/payload/byte-source.js';
import { tensorsFor } from '../src/payload/decode.js';
import { type OpenPayload, openPayload } from '../src/payload/open-payload.js';
import { UsageError } from './exit-codes.js';

/** Opens a model, lets a function use it, and closes it whatever happens. */
export async function withModel<T>(
  model: { path: string; writable?: boolean },
  use: (store: WeightStore) => Promise<T>,
): Promise<T> {
  const store = await openModel(model.path, model);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Opens a payload file, lets a function use it, and closes it whatever happens. */
export async function withPayload<T>(path: string, use: (payload: ByteSource) => Promise<T>): Promise<T> {
  const payload = await openPayloadFile(path);
  try {
    return await use(payload);
  } finally {
    payload.close();
  }
}

/** @returns the base's tensors, with their bytes where one of the payloads needs them */
export async function tensorsForAll(parts: readonly Uint8Array[], store: WeightStore) {
  const opened: OpenPayload[] = [];
  for (const part of parts) opened.push(await openPayload(part));
  return tensorsFor({ records: opened.flatMap(({ records }) => records) }, store);
}

/**
 * Finds what belongs to a model, and checks that a copy of it may be made.
 *
 * @throws UsageError for a file's name where the model has several files; those of a model on disk
 */
export async function planCopy(
  path: string,
  to: string,
  { force }: { force: boolean },
): Promise<WholeModel & CopyPaths> {
  const model = await wholeModel(path);
  await checkOutput(to, { force });
  const { files, main } = model;
  if (files && extname(to) !== '' && extname(to) === extname(main))
    throw new UsageError(`Cannot write "${to}": the model has ${files.length} files; name a folder`);
  return { ...model, to, force };
}

/** Bytes of a key, a release or root metadata; none is longer than 512 kB. */
const MAX_SMALL_BYTES = 2 ** 20;

/** Bytes of a report or another document: reports of large models have some hundred kilobytes. */
const MAX_DOCUMENT_BYTES = 2 ** 26;

/** Reads a small file whole: a key, a release, root metadata. */
export function readSmall(path: string): Promise<Uint8Array> {
  return readWhole(path, MAX_SMALL_BYTES);
}

/** Reads a document. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await readWhole(path, MAX_DOCUMENT_BYTES));
}

/**
 * Keeps V8's young generation at its first size. It would grow to 16 MB for short-lived objects that are
 * collected as well sooner: a command that reads a large model in pieces makes many of them, and hardly any
 * that last. A V8 without the flag prints a warning on stderr.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
