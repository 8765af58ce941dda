import { basename, dirname, resolve } from 'node:path';
import { planApply } from '../../apply/plan.js';
import { NeuralDiffError } from '../../model/errors.js';
import type { WeightStore } from '../../model/store.js';
import { openPayloadFile } from '../../node/read-payload.js';
import type { Bytes } from '../../payload/byte-source.js';
import { type OpenPayload, openPayload } from '../../payload/open-payload.js';
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

/**
 * Checks that a payload fits the base and results in the expected model.
 *
 * @throws NeuralDiffError `wrong-base`, `wrong-layout`, `result-mismatch`, `unsupported-model`; `needs-copy`
 *   for a payload that makes new files; the payload's own codes; its message names the payload
 */
export async function checkPayload(
  { name, path }: NamedPayload,
  base: WeightStore,
  signal?: AbortSignal,
): Promise<void> {
  const plan = await withPayload(path, ({ bytes }) => planApply(base, bytes, signal ? { signal } : {}));
  if (plan.files) {
    const message = `Cannot measure payload "${name}": it makes new files, and only patches of the base's weights are measured; diff the two models with --json for its sizes`;
    throw new NeuralDiffError('needs-copy', message);
  }
  if (plan.problem) {
    const { code, message, facts } = plan.problem;
    throw new NeuralDiffError(code, `Cannot measure payload "${name}": ${message}`, {
      cause: plan.problem,
      facts,
    });
  }
  if (plan.status === 'ready' || plan.base === plan.found) return;
  const facts = { expected: plan.base, found: plan.found };
  const message = `Cannot measure payload "${name}": the base already is its result; expected ${facts.expected}, got ${facts.found}`;
  throw new NeuralDiffError('wrong-base', message, { facts });
}
