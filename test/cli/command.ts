import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

/** Path of a recipe of these tests. */
export const recipe = (name: string): string => join(import.meta.dirname, 'recipes', `${name}.mjs`);

/** Starts the real program. */
export function start(args: readonly string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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

/** Runs the real program to its end. */
export const command = (...args: string[]): Promise<Outcome> => start(args).outcome;

/** Expects a command to be refused with exit status 2, a code and words of the message. */
export async function expectRefusal(outcome: Promise<Outcome>, code: string, message: string): Promise<void> {
  const { status, stdout } = await outcome;
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, code]);
  expect(JSON.parse(stdout).error.message).toContain(message);
}

/** @returns a new folder for a test's files */
export const scratch = (): string => mkdtempSync(join(tmpdir(), 'neural-diff-cli-'));

/** Writes a small model for the recipe `points`. */
export async function writeModel(folder: string, seed = 1): Promise<void> {
  await useBackend('cpu');
  const dense = (units: number, name: string, activation: 'relu' | 'softmax', inputShape?: number[]) => {
    const kernelInitializer = tf.initializers.heNormal({ seed: seed + units });
    return tf.layers.dense({ units, name, activation, kernelInitializer, ...(inputShape && { inputShape }) });
  };
  const model = tf.sequential({
    layers: [dense(64, 'hidden', 'relu', [2]), dense(32, 'middle', 'relu'), dense(3, 'out', 'softmax')],
  });
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of await modelFiles(model, 1000)) writeFileSync(join(folder, path), bytes);
}
