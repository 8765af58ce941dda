import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { threadId } from 'node:worker_threads';
import { programDigest } from './program-digest.js';

/** Results of benches, so that a run that was stopped goes on, and another one shares them. */
const FOLDER = join('.cache', 'bench');

/** What a result follows from. */
export interface Source {
  /** First part of the file's name: `full-fine-tune`. */
  readonly what: string;
  /** Modules whose code makes it. */
  readonly programs: readonly URL[];
  /** Plain data: names, settings, digests of other results. */
  readonly inputs: unknown;
}

/** A result, and whether an earlier run made it. */
export interface Kept<T> {
  readonly value: T;
  readonly isKept: boolean;
}

/**
 * Takes a result of an earlier run if code and inputs were the same; makes and keeps it otherwise.
 *
 * @param make returns numbers, texts, arrays, maps and typed arrays
 */
export async function keep<T>(source: Source, make: () => Promise<T>, folder = FOLDER): Promise<Kept<T>> {
  const { what, programs, inputs } = source;
  const code = programs.map(programDigest);
  const digest = digestOf(Buffer.from(JSON.stringify([what, code, inputs])));
  const file = join(folder, `${what}-${digest.slice(0, 32)}`);
  const bytes = await readFile(file).catch(() => undefined);
  if (bytes) return { value: deserialize(bytes), isKept: true };
  const value = await make();
  await mkdir(folder, { recursive: true });
  const draft = `${file}.${process.pid}-${threadId}`;
  await writeFile(draft, serialize(value));
  await rename(draft, file);
  return { value, isKept: false };
}

/** Forgets what earlier runs of all benches kept. */
export function forgetAll(): Promise<void> {
  return rm(FOLDER, { recursive: true, force: true });
}

/** @returns SHA-256 of some weights in hexadecimal digits */
export function digestOfWeights(weights: Iterable<readonly [string, Float32Array]>): string {
  const hash = createHash('sha256');
  for (const [name, { buffer, byteOffset, byteLength }] of weights)
    hash.update(`${name} ${byteLength}\n`).update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
