import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModel, openModelStorage } from '../../src/node/open-model.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { createUpdate, MAIN } from '../storage/storages.js';
import { pack, seededTensor } from '../support.js';
import { command, scratch, start } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const update = await createUpdate();
writeFileSync(at('update.ndiff'), update.payload);

/** Makes a folder with the model as an interruption leaves it: half of an update written, the rest not. */
async function cutUpdate(name: string): Promise<string> {
  const [whole, cut] = [at(`${name}-whole`), at(name)];
  for (const each of [whole, cut]) mkdirSync(each);
  writeFileSync(join(whole, MAIN), update.file);
  const storage = await openModelStorage(join(whole, MAIN));
  const ended = storage.update(async (store) => {
    await store.write('a/kernel', 4_000, new Uint8Array(5_000).fill(9));
    await store.flush();
    for (const file of [MAIN, `${MAIN}.undo`]) copyFileSync(join(whole, file), join(cut, file));
    throw new Error('enough');
  }, update);
  await expect(ended).rejects.toThrow('enough');
  await storage.close();
  expect(readFileSync(join(cut, MAIN)).equals(update.file)).toBe(false);
  return join(cut, MAIN);
}

async function nameOf(path: string): Promise<string> {
  const store = await openModel(path);
  try {
    return await fingerprint(store);
  } finally {
    await store.close();
  }
}

test('fingerprint, info, verify and status say that an update was cut, and how to go on; doctor does so', async () => {
  const path = await cutUpdate('seen');
  const before = readFileSync(path);
  const commands = [
    ['fingerprint', path],
    ['info', path],
    ['verify', path, at('update.ndiff')],
    ['status', '--model', path],
  ];
  for (const args of commands) {
    const { stdout, stderr } = await command(...args);
    expect([args[0], stderr]).toEqual([args[0], expect.stringContaining('was interrupted')]);
    expect(stderr).toContain(`neural-diff doctor --model ${path}`);
    if (args[0] === 'status') expect(stdout).toContain('status   interrupted update');
    if (args[0] !== 'verify')
      expect(JSON.parse((await command(...args, '--json')).stdout)).toMatchObject({ isInterrupted: true });
  }
  expect(readFileSync(path).equals(before)).toBe(true);
  expect((await command('doctor', '--model', path)).status).toBe(0);
  const { stdout, stderr } = await command('fingerprint', path);
  expect([stdout, stderr]).toEqual([`${update.base}\n`, '']);
});

test('apply --in-place undoes an update that was cut, then applies its own', async () => {
  const path = await cutUpdate('applied');
  const { status, stdout, stderr } = await command('apply', path, at('update.ndiff'), '--in-place');
  expect([status, stdout]).toEqual([0, `applied: ${update.next}\n`]);
  expect(stderr).toContain('undid an update that was interrupted');
  expect(await nameOf(path)).toBe(update.next);
  expect(existsSync(`${path}.undo`)).toBe(false);
});

test('apply --in-place leaves the base behind when its payload does not fit a model that was cut', async () => {
  const path = await cutUpdate('refused');
  const other = await createUpdate(5);
  writeFileSync(at('other.ndiff'), other.payload);
  const { status } = await command('apply', path, at('other.ndiff'), '--in-place', '--quiet');
  expect(status).toBe(3);
  expect(await nameOf(path)).toBe(update.base);
  expect(existsSync(`${path}.undo`)).toBe(false);
});

test('apply --in-place refuses a model that is being updated, and one on trial', async () => {
  const path = at(MAIN);
  writeFileSync(path, update.file);
  const storage = await openModelStorage(path);
  await storage.update(async (store) => {
    const { status, stderr } = await command('apply', path, at('update.ndiff'), '--in-place', '--json');
    expect([status, stderr]).toEqual([5, expect.stringContaining(`process ${process.pid} holds it`)]);
    await store.write('a/kernel', 0, Uint8Array.of(1, 2, 3, 4));
  }, update);
  const { status, stderr } = await command('apply', path, at('update.ndiff'), '--in-place');
  expect([status, stderr]).toEqual([5, expect.stringContaining('on trial')]);
  await storage.rollback();
  await storage.close();
  expect(await nameOf(path)).toBe(update.base);
});

test('Ctrl-C while apply --in-place writes leaves the base', async () => {
  const { payload, next } = await writeLarge(at('large.safetensors'));
  writeFileSync(at('large.ndiff'), payload);
  const before = readFileSync(at('large.safetensors'));
  const journal = at('large.safetensors.undo');
  const { child, outcome } = start(['apply', at('large.safetensors'), at('large.ndiff'), '--in-place']);
  const timer = setInterval(() => {
    if (!existsSync(journal)) return;
    clearInterval(timer);
    child.kill('SIGINT');
  }, 1);
  const { status, stderr } = await outcome;
  expect([status, stderr]).toEqual([130, expect.stringContaining('interrupted; nothing was written')]);
  expect(readFileSync(at('large.safetensors')).equals(before)).toBe(true);
  expect(existsSync(journal)).toBe(false);
  expect((await command('apply', at('large.safetensors'), at('large.ndiff'), '--in-place')).stdout).toBe(
    `applied: ${next}\n`,
  );
});

/** Writes a model whose every page an update writes, so that there is time to stop it. */
async function writeLarge(path: string): Promise<{ payload: Uint8Array; next: string }> {
  const model: Model = { tensors: [seededTensor('a/kernel', 'float32', [8, 2 ** 20])] };
  const levels = new Int8Array(8 * 2 ** 20).fill(1);
  const op = { kind: 'dense', tensor: 'a/kernel', scale: 0.25, levels } as const;
  const packed = await pack(model, { ops: [op] });
  writeFileSync(path, writeSafetensors(model));
  return { payload: packed.payload, next: await fingerprint(openMemoryStore(packed.next)) };
}
