import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModelStorage } from '../../src/node/open-model.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { createRandom, pack, seededTensor } from '../support.js';
import { printCounts } from './counts.js';

const KILLS = 100;

/** Longer than the end of a trial takes. */
const LONGEST_MS = { confirm: 80, rollback: 250 };

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-trials-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** A model of 4 MB of which every page changes, and the way back. */
async function createFiles() {
  const model: Model = { tensors: [seededTensor('kernel', 'float32', [1_024, 1_024])] };
  const positions = Uint32Array.from({ length: 4_096 }, (_, i) => 256 * i);
  const op = { kind: 'sparse', tensor: 'kernel', scale: 0.25, positions } as const;
  const { payload, next } = await pack(model, {
    ops: [{ ...op, levels: Int16Array.from(positions, () => 1) }],
  });
  const { payload: back } = await diffModels(next, model);
  const nameOf = async (of: Model): Promise<string> => await fingerprint(openMemoryStore(of));
  writeFileSync(at('model.safetensors'), writeSafetensors(model));
  writeFileSync(at('forth.ndiff'), payload);
  writeFileSync(at('back.ndiff'), back);
  const [base, other] = [await nameOf(model), await nameOf(next)];
  return { base, next: other, update: { [base]: payload, [other]: back } as Record<string, Uint8Array> };
}

/** Starts a process and kills it a moment after it began to end a trial. */
async function killAt(act: 'confirm' | 'rollback', milliseconds: number): Promise<void> {
  const program = new URL('./endless-trials.mjs', import.meta.url).pathname;
  const args = [at('model.safetensors'), at('forth.ndiff'), at('back.ndiff'), act];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  await setTimeout(milliseconds);
  child.kill('SIGKILL');
  expect((await ended)[1]).toBe('SIGKILL');
}

test.each(['confirm', 'rollback'] as const)(
  `a model is base or next after ${KILLS} processes were killed during %s`,
  async (act) => {
    const { base, next, update } = await createFiles();
    const random = createRandom(17);
    const found = { trial: 0, undone: 0, settled: 0 };
    for (let i = 0; i < KILLS; i++) {
      await killAt(act, (random() / 2 ** 32) * LONGEST_MS[act]);
      const storage = await openModelStorage(at('model.safetensors'));
      const status = await storage.recover();
      found[status]++;
      const name = await fingerprintOf(storage);
      expect([base, next]).toContain(name);
      const other = name === base ? next : base;
      if (status === 'trial') {
        expect(await storage.rollback()).toBe(true);
        expect(await fingerprintOf(storage)).toBe(other);
      } else {
        const terms = { base: name, next: other, isTrial: false };
        const payload = update[name] as Uint8Array;
        await storage.update(async (store) => void (await applyPayload(store, payload)), terms);
      }
      await storage.close();
    }
    printCounts(`processes killed during ${act}`, found);
    expect(found.settled + found.undone).toBeGreaterThan(KILLS / 10);
    expect(found.trial).toBeGreaterThan(0);
  },
);
