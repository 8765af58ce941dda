import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { modelFiles } from '../../src/tfjs/layers-files.js';

/** How a command ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built program. */
export const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const HOST = join(import.meta.dirname, 'command-host.mjs');

/** Path of a recipe of these tests. */
export const recipe = (name: string): string => join(import.meta.dirname, 'recipes', `${name}.mjs`);

/** Starts the program as a process, to be sent signals, with more variables in its environment. */
export function start(
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const env = { ...process.env, ...more };
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    text.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const outcome = new Promise<Outcome>((resolve) =>
    child.on('close', (status) => resolve({ status, ...text })),
  );
  return { child, outcome };
}

/** Runs the program to its end in a process of its own, as users do. */
export const program = (...args: string[]): Promise<Outcome> => start(args).outcome;

let host: ChildProcess | undefined;
let last: Promise<unknown> = Promise.resolve();

/** Runs the program to its end in a process that the commands of a test file share: it loads modules once. */
export function command(...args: string[]): Promise<Outcome> {
  const outcome = last.then(() => runInHost(args));
  last = outcome.catch(() => undefined);
  return outcome;
}

function runInHost(args: readonly string[]): Promise<Outcome> {
  host ??= startHost();
  const child = host;
  return new Promise((resolve, reject) => {
    const fail = (status: number | null) => {
      host = undefined;
      reject(new Error(`The commands' process ended with status ${status} at: ${args.join(' ')}`));
    };
    child.once('exit', fail);
    child.once('message', (outcome) => {
      child.off('exit', fail);
      resolve(outcome as Outcome);
    });
    child.send(args);
  });
}

function startHost(): ChildProcess {
  const child = fork(HOST, [pathToFileURL(MAIN).href], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  // It ends with the process of the test file.
  child.unref();
  child.channel?.unref();
  return child;
}

/** Expects a command to be refused with exit status 2, a code and words of the message. */
export async function expectRefusal(outcome: Promise<Outcome>, code: string, message: string): Promise<void> {
  const { status, stdout } = await outcome;
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, code]);
  expect(JSON.parse(stdout).error.message).toContain(message);
}

/** @returns a new folder for a test's files */
export const scratch = (): string => mkdtempSync(join(tmpdir(), 'neural-diff-cli-'));

/** Writes a small model for the recipe `points`. */
export async function writeModel(folder: string, seed = 1, hidden = 64): Promise<void> {
  await useBackend('cpu');
  const dense = (units: number, name: string, activation: 'relu' | 'softmax', inputShape?: number[]) => {
    const kernelInitializer = tf.initializers.heNormal({ seed: seed + units });
    return tf.layers.dense({ units, name, activation, kernelInitializer, ...(inputShape && { inputShape }) });
  };
  const model = tf.sequential({
    layers: [dense(hidden, 'hidden', 'relu', [2]), dense(32, 'middle', 'relu'), dense(3, 'out', 'softmax')],
  });
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of await modelFiles(model, 1000)) writeFileSync(join(folder, path), bytes);
}
