import { basename, dirname, resolve } from 'node:path';
import { planApply } from '../../apply/plan.js';
import { type ErrorCode, type ErrorFacts, NeuralDiffError } from '../../model/errors.js';
import type { WeightStore } from '../../model/store.js';
import { openPayloadFile } from '../../node/read-payload.js';
import type { Bytes } from '../../payload/byte-source.js';
import { type OpenPayload, openPayload } from '../../payload/open-payload.js';
import { makeModel } from './make-model.js';
import type { NamedPayload } from './options.js';

/**
 * Names payloads by their files without extension, preceded by as many folders as needed to be unique.
 *
 * @param payloads paths, or paths with names
 * @throws RangeError for an empty list, and for a duplicate path or name
 */
export function namePayloads(payloads: readonly (NamedPayload | string)[]): NamedPayload[] {
  if (payloads.length === 0) throw new RangeError('Cannot measure: expected at least one payload');
  const paths = payloads.flatMap((payload) => (typeof payload === 'string' ? [resolve(payload)] : []));
  const named = payloads.map((payload) =>
    typeof payload === 'string'
      ? { name: shortName(resolve(payload), paths), path: payload }
      : { name: payload.name, path: payload.path },
  );
  named.forEach(({ name }, i) => {
    if (named.findIndex((other) => other.name === name) === i) return;
    throw new RangeError(`Cannot measure payload "${name}": expected unique names, got this one twice`);
  });
  return named;
}

/** @returns the shortest end of a path that is unique */
function shortName(path: string, paths: readonly string[]): string {
  for (let folders = 0; ; folders++) {
    const name = endOf(path, folders);
    const isUnique = paths.filter((other) => endOf(other, folders) === name).length === 1;
    if (isUnique || endOf(path, folders + 1) === name) return name;
  }
}

/** @returns the name of a payload's file, preceded by a number of its folders; always with `/` */
function endOf(path: string, folders: number): string {
  const name = basename(path).replace(/\.ndiff$/, '');
  let folder = dirname(path);
  const names = [name];
  for (let i = 0; i < folders && dirname(folder) !== folder; i++) {
    names.unshift(basename(folder));
    folder = dirname(folder);
  }
  return names.join('/');
}

/** An opened payload file. */
export interface ReadablePayload {
  readonly bytes: Bytes;
  readonly opened: OpenPayload;
}

/** Opens a payload file, calls a function with it, and closes it. */
export async function withPayload<T>(
  path: string,
  use: (payload: ReadablePayload) => Promise<T>,
): Promise<T> {
  const bytes = await openPayloadFile(path);
  try {
    return await use({ bytes, opened: await openPayload(bytes) });
  } finally {
    bytes.close();
  }
}

/** A payload that fits the base. */
export interface CheckedPayload extends NamedPayload {
  /** For a payload that makes new files: path of the model that it made. */
  readonly made?: string;
}

/** What payloads are checked against. */
export interface PayloadBase {
  readonly base: WeightStore;
  /** Makes files of the base with the payloads that devices have applied. @returns their path */
  readonly baseFiles: () => Promise<string>;
  /** Folder for the model that the payload makes; it must not exist. */
  readonly to: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks that a payload fits the base and results in the expected model; makes that model if the payload
 * makes new files.
 *
 * @throws NeuralDiffError `wrong-base`, `wrong-layout`, `result-mismatch`, `unsupported-model`; `no-space`;
 *   the payload's own codes; its message names the payload
 */
export async function checkPayload(payload: NamedPayload, against: PayloadBase): Promise<CheckedPayload> {
  return withPayload(payload.path, async (readable) => {
    const { isCurrent, ...made } = await tryPayload(readable, against).catch((error: unknown) => {
      if (!(error instanceof NeuralDiffError)) throw error;
      throw unfit(payload, error.code, { why: error.message, cause: error, facts: error.facts });
    });
    if (!isCurrent) return { ...payload, ...made };
    const { base, next } = readable.opened.header;
    const why = `the base already is its result; expected ${base}, got ${next}`;
    throw unfit(payload, 'wrong-base', { why, facts: { expected: base, found: next } });
  });
}

async function tryPayload(
  { bytes, opened }: ReadablePayload,
  { base, baseFiles, to, signal }: PayloadBase,
): Promise<{ isCurrent: boolean } & Pick<CheckedPayload, 'made'>> {
  if (opened.files) {
    const made = await makeModel(await baseFiles(), bytes, { to, signal });
    return made === undefined ? { isCurrent: true } : { isCurrent: false, made };
  }
  const plan = await planApply(base, bytes, signal ? { signal } : {});
  if (plan.problem) throw plan.problem;
  return { isCurrent: plan.status !== 'ready' && plan.base !== plan.found };
}

function unfit(
  { name }: NamedPayload,
  code: ErrorCode,
  { why, ...options }: { why: string; cause?: unknown; facts: ErrorFacts },
): NeuralDiffError {
  return new NeuralDiffError(code, `Cannot measure payload "${name}": ${why}`, options);
}
