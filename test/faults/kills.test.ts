import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModelStorage } from '../../src/node/open-model.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { createRandom, pack, seededTensor } from '../support.js';
import { printCounts } from './counts.js';

const KILLS = 200;

/** Longer than an update and its rolling back take. */
const LONGEST_MS = 400;

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-kills-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** A model of 4 MB of which every page changes. */
async function createFiles(): Promise<{ base: string; next: string }> {
  const model: Model = { tensors: [seededTensor('kernel', 'float32', [1_024, 1_024])] };
  const positions = Uint32Array.from({ length: 4_096 }, (_, i) => 256 * i);
  const levels = Int16Array.from(positions, () => 1);
  const op = { kind: 'sparse', tensor: 'kernel', scale: 0.25, positions, levels } as const;
  const { payload, next } = await pack(model, { ops: [op] });
  writeFileSync(at('model.safetensors'), writeSafetensors(model));
  writeFileSync(at('update.ndiff'), payload);
  const name = async (of: Model): Promise<string> => await fingerprint(openMemoryStore(of));
  return { base: await name(model), next: await name(next) };
}

/** Starts a process, lets it work for so long, and kills it. @returns whether it had begun */
async function killAfter(milliseconds: number, names: { base: string; next: string }): Promise<boolean> {
  const program = new URL('./endless-updates.mjs', import.meta.url).pathname;
  const args = [at('model.safetensors'), at('update.ndiff'), names.base, names.next];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<boolean>((resolve) =>
    child.on('close', (_, signal) => resolve(signal === 'SIGKILL')),
  );
  const isReady = await Promise.race([
    new Promise((resolve) => child.stdout.once('data', () => resolve(true))),
    ended,
  ]);
  await setTimeout(milliseconds);
  child.kill('SIGKILL');
  return (await ended) && isReady === true;
}

test(`a model is base or next after ${KILLS} processes were killed at it`, async () => {
  const names = await createFiles();
  const random = createRandom(7);
  const found = { base: 0, next: 0, halfWay: 0 };
  for (let i = 0; i < KILLS; i++) {
    expect(await killAfter((random() / 2 ** 32) * LONGEST_MS, names)).toBe(true);
    if (existsSync(at('model.safetensors.undo'))) found.halfWay++;
    // Every other time the next process puts things right.
    if (i % 2 === 1) continue;
    const storage = await openModelStorage(at('model.safetensors'));
    const status = await storage.recover();
    const name = await fingerprintOf(storage);
    await storage.close();
    expect(name).toBe(status === 'trial' ? names.next : names.base);
    found[status === 'trial' ? 'next' : 'base']++;
  }
  const { base, next } = found;
  printCounts('processes killed during updates', { base, next, 'next process': KILLS - base - next });
  expect(found.base).toBeGreaterThan(0);
  expect(found.halfWay).toBeGreaterThan(KILLS / 4);
});
