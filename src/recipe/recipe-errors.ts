import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NeuralDiffError } from '../model/errors.js';

/** Folder of this package's code, whose frames are never those of a recipe. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** A place at the end of a line of a stack: a file, its line and, except in syntax errors, its column. */
const FRAME = /((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+)(?::(\d+))?\)?$/;

/** Milliseconds in which the syntax of a file is checked. */
const CHECK_MS = 5000;

/** Where a recipe failed, as fields for programs. */
interface Place {
  /** As the path of the recipe, relative or absolute. */
  readonly file: string;
  readonly line: number;
  readonly column?: number;
}

/**
 * Finds the place in a recipe where an error comes from.
 *
 * @param path the recipe
 * @param error what was thrown
 * @returns the first frame of the stack in the recipe's folder, packages excepted; undefined if there is none
 */
function placeOf(path: string, error: unknown): Place | undefined {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  return placeIn(path, error.stack) ?? (error instanceof SyntaxError ? syntaxPlaceOf(path) : undefined);
}

/** A check of the file prints the place of a syntax error, which the stack lacks. */
function syntaxPlaceOf(path: string): Place | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: CHECK_MS });
  return placeIn(path, stderr ?? '');
}

function placeIn(path: string, stack: string): Place | undefined {
  const folder = realFolderOf(path);
  for (const text of stack.split('\n')) {
    const [, source, line, column] = FRAME.exec(text.trimEnd()) ?? [];
    if (source === undefined) continue;
    const file = fileOf(source);
    const inside = relative(folder, file);
    const isPackage = inside.split(sep).includes('node_modules') || file.startsWith(OWN_FOLDER);
    if (inside.startsWith('..') || isAbsolute(inside) || isPackage) continue;
    const place = { file: join(dirname(path), inside), line: Number(line) };
    return column === undefined ? place : { ...place, column: Number(column) };
  }
  return undefined;
}

/** Node.js imports what links lead to. */
function realFolderOf(path: string): string {
  try {
    return dirname(realpathSync(path));
  } catch {
    return dirname(resolve(path));
  }
}

function fileOf(source: string): string {
  if (!source.startsWith('file://')) return source;
  try {
    return fileURLToPath(source);
  } catch {
    return source;
  }
}

/** @returns ` at file:line:column`, or an empty text */
function writePlace(place: Place | undefined): string {
  if (place === undefined) return '';
  const { file, line, column } = place;
  return ` at ${[file, line, ...(column === undefined ? [] : [column])].join(':')}`;
}

/** @returns the message of anything that was thrown, and its place in the recipe */
function describe(path: string, cause: unknown) {
  const place = placeOf(path, cause);
  const message = (cause as Error | undefined)?.message ?? String(cause);
  return { message, at: writePlace(place), facts: { ...place } };
}

/** @param why what was expected of the recipe */
export function invalidRecipe(path: string, why: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('recipe-invalid', `Cannot use recipe "${path}": ${why}`, { cause });
}

/** @returns what to do where this Node.js does not run TypeScript; an empty text for other errors */
function adviseCompiling(path: string, cause: unknown): string {
  const isTypeScript = /\.[mc]?ts$/.test(path);
  if (!isTypeScript || (cause as NodeJS.ErrnoException)?.code !== 'ERR_UNKNOWN_FILE_EXTENSION') return '';
  const [name, compiled] = [basename(path), `${basename(path).replace(/\.[mc]?ts$/, '')}.mjs`];
  return `; compile it first: npx esbuild ${name} --outfile=${compiled}, or use Node.js 22.18 or newer`;
}

/** @returns the error of a recipe that cannot be imported */
export function unreadableRecipe(path: string, cause: unknown): NeuralDiffError {
  const { message, at, facts } = describe(path, cause);
  const error = `${at === '' ? '' : `error${at}: `}${message}${adviseCompiling(path, cause)}`;
  const text = `Cannot read recipe "${path}": ${error}`;
  return new NeuralDiffError('recipe-unreadable', text, { cause, facts });
}

function recipeFailed(path: string, cause: unknown): NeuralDiffError {
  const { message, at, facts } = describe(path, cause);
  return new NeuralDiffError('recipe-failed', `Recipe "${path}" failed${at}: ${message}`, { cause, facts });
}

/**
 * Runs code of a recipe.
 *
 * @throws NeuralDiffError `recipe-failed`, with the recipe's own error as its cause
 */
export async function runRecipe<T>(path: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof NeuralDiffError || (cause as Error)?.name === 'AbortError') throw cause;
    throw recipeFailed(path, cause);
  }
}

/**
 * Wraps the functions among a recipe's values, so that errors they throw later are reported as the recipe's.
 *
 * @param path the recipe
 * @param value a function, a list or map of functions, or anything else
 */
export function guardRecipe<T>(path: string, value: T): T {
  if (typeof value === 'function') {
    const guarded = (...args: unknown[]): unknown => {
      try {
        return value(...args);
      } catch (cause) {
        if (cause instanceof NeuralDiffError) throw cause;
        throw recipeFailed(path, cause);
      }
    };
    return guarded as T;
  }
  if (Array.isArray(value)) return value.map((item) => guardRecipe(path, item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, guardRecipe(path, item)])) as T;
}

/** Longest time that a timer of JavaScript takes, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A promise of a recipe. */
interface Awaited {
  /** What is waited for: follows the recipe's name. */
  readonly name: string;
  /** Most minutes that it may take. */
  readonly minutes: number;
}

/**
 * Waits for a promise of a recipe.
 *
 * @throws Error if it takes too long, or if nothing is left to run that could settle it
 */
export async function settle<T>(promise: Promise<T>, { name, minutes }: Awaited): Promise<T> {
  let fail: (error: Error) => void;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const giveUp = (): void => {
    fail(new Error(`${name} took more than ${minutes} minutes; allow more by the option "dataMinutes"`));
  };
  const stall = (): void => {
    const why = 'its promise is pending, and nothing is left to run that could settle it';
    // The immediate keeps the process alive for what handles the error.
    setImmediate(() => fail(new Error(`${name} never ends: ${why}`)));
  };
  const ms = 60_000 * minutes;
  const timer = ms > MAX_TIMER_MS ? undefined : setTimeout(giveUp, ms).unref();
  process.once('beforeExit', stall);
  try {
    return await Promise.race([promise, failed]);
  } finally {
    clearTimeout(timer);
    process.off('beforeExit', stall);
  }
}
