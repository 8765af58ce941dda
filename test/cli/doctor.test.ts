import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { startHostileServer } from '../rig/hostile-server.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch } from './command.js';
import { runHere } from './run-here.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
let fleet: Fleet;
let update: (model: string, ...more: string[]) => ReturnType<typeof command>;

beforeAll(async () => {
  fleet = await Fleet.startNow(2);
  const base = openMemoryStore(fleet.version(0).model);
  await fleet.publish({ base, name: 'v1.ndiff', counter: 1, bytes: fleet.version(1).payload });
  const { files } = fleet.publisher.files;
  const server = await startHostileServer(files);
  writeFileSync(at('root.json'), files.get('metadata/1.root.json') as Uint8Array);
  update = (model, ...more) =>
    command('update', '--model', at(model), '--repo', server.url, '--root', at('root.json'), ...more);
  return () => server.close();
});

const install = (name: string): void => writeFileSync(at(name), writeSafetensors(fleet.version(0).model));

test('doctor and update go on from the model when the updater has lost its state, and keep what is left of it', async () => {
  const [base, next] = [fleet.version(0).name, fleet.version(1).name];
  for (const isDoctor of [true, false]) {
    const name = isDoctor ? 'doctor.safetensors' : 'update.safetensors';
    const state = at(`${name}.updates/state`);
    install(name);
    await update(name);
    expect((await command('rollback', '--model', at(name))).stdout).toContain(base);
    writeFileSync(state, 'null');
    const { status, stdout, stderr } = isDoctor
      ? await command('doctor', '--model', at(name))
      : await update(name);
    expect([status, isDoctor ? stdout : stderr]).toEqual([0, expect.stringContaining('state was damaged')]);
    expect(readFileSync(`${state}.damaged`, 'utf8')).toBe('null');
    if (isDoctor) expect(stdout).toMatch(/^warn updater/m);
    else expect((await command('status', '--model', at(name))).stdout).toContain(next);
  }
});

test.each(['doctor', 'update'])(
  '%s moves folders aside that have the names of its files, each under a name that is free',
  async (name) => {
    const model = `folders-${name}.safetensors`;
    const folder = at(`${model}.updates`);
    install(model);
    await update(model);
    await command('confirm', '--model', at(model));
    const run = () => (name === 'doctor' ? command(name, '--model', at(model)) : update(model));
    mkdirSync(join(folder, 'state.damaged'));
    for (const aside of ['state.damaged-2', 'state.damaged-3']) {
      rmSync(join(folder, 'state'), { force: true });
      mkdirSync(join(folder, 'state', 'in it'), { recursive: true });
      const { status, stdout, stderr } = await run();
      expect([status, stdout + stderr]).toEqual([0, expect.stringContaining(aside)]);
      expect(stderr).not.toContain('    at ');
      expect(readdirSync(join(folder, aside))).toEqual(['in it']);
    }
    expect(await update(model)).toMatchObject({ status: 0 });
  },
);

test('doctor says which optional packages are installed', async () => {
  install('fine.safetensors');
  const { stdout } = await command('doctor', '--model', at('fine.safetensors'));
  expect(stdout).toMatch(/^ok {3}packages @tensorflow\/tfjs is installed .*, onnxruntime-node is installed/m);
});

test('doctor prints lines only where a check fails', async () => {
  install('bad.safetensors');
  writeFileSync(at('bad.safetensors.undo'), 'no journal');
  const { status, stdout, stderr } = await command('doctor', '--model', at('bad.safetensors'));
  expect([status, stdout]).toEqual([1, expect.stringMatching(/^BAD {2}storage/m)]);
  expect(stderr).toMatch(/^neural-diff: [^\n]*see the checks above; --repair [^\n]* \(storage-mismatch\)\n$/);
});

test('doctor warns of a disk that is nearly full, and apply refuses what does not fit before it writes', async () => {
  install('full.safetensors');
  const before = readFileSync(at('full.safetensors'));
  writeFileSync(at('update.ndiff'), fleet.version(1).payload);
  const { statfs } = fs;
  const nearlyFull = async (...args: Parameters<typeof statfs>) => ({
    ...(await statfs(...args)),
    bavail: 5_000,
    bsize: 1,
  });
  Object.assign(fs, { statfs: nearlyFull });
  syncBuiltinESMExports();
  try {
    const doctor = await runHere('doctor', '--model', at('full.safetensors'), '--json');
    expect(doctor.status).toBe(0);
    const disk = JSON.parse(doctor.stdout).findings.find(({ check }: { check: string }) => check === 'disk');
    expect(disk).toMatchObject({ isGood: true, isWarning: true, text: expect.stringContaining('only 5') });
    for (const target of [['--in-place'], ['-o', at('copy.safetensors')]]) {
      const args = ['apply', at('full.safetensors'), at('update.ndiff'), ...target, '--json'];
      const { status, stdout } = await runHere(...args);
      const { error } = JSON.parse(stdout);
      expect([status, error.code, error.free]).toEqual([7, 'no-space', 5_000]);
      expect(error.needed).toBeGreaterThan(5_000);
    }
  } finally {
    Object.assign(fs, { statfs });
    syncBuiltinESMExports();
  }
  expect(readFileSync(at('full.safetensors')).equals(before)).toBe(true);
  for (const left of ['full.safetensors.undo', 'copy.safetensors']) expect(existsSync(at(left))).toBe(false);
});

test('two copies of a model in a folder have each an updater, and do not mind the other', async () => {
  const next = fleet.version(1).name;
  for (const name of ['one.safetensors', 'two.safetensors']) {
    install(name);
    expect(await update(name)).toMatchObject({ status: 0, stdout: `updated: ${next}\n` });
  }
  const model = ['--model', at('two.safetensors')];
  expect((await command('confirm', ...model)).stdout).toBe(`confirmed: ${next}\n`);
  for (const name of ['status', 'doctor'])
    expect((await command(name, ...model)).stdout).not.toContain('--updates');
  expect(await update('two.safetensors')).toMatchObject({ status: 0, stdout: `already current: ${next}\n` });
  expect((await command('rollback', ...model)).stdout).toContain('not on trial');
  expect((await command('rollback', '--model', at('one.safetensors'))).stdout).toContain('rolled back');
  expect((await command('status', ...model)).stdout).toContain(next);
});
