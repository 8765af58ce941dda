import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { startHostileServer } from '../rig/hostile-server.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
let fleet: Fleet;
let url: string;

beforeAll(async () => {
  fleet = await Fleet.startNow(4);
  await fleet.releaseWhole(1);
  await fleet.release(2);
  await fleet.releaseWhole(3, { rollout: 0 });
  const server = await startHostileServer(fleet.publisher.files.files);
  url = server.url;
  writeFileSync(at('root.json'), fleet.publisher.files.files.get('metadata/1.root.json') as Uint8Array);
  return () => server.close();
});

const pull = (out: string, ...more: string[]) =>
  command('pull', '--repo', url, '--root', at('root.json'), '-o', at(out), ...more);

test('pull installs the newest whole model for all, and update goes on from there', async () => {
  const { name } = fleet.version(1);
  expect((await pull('planned', '--dry-run')).stdout).toBe(`would pull: ${name}\n`);
  expect(existsSync(at('planned'))).toBe(false);
  const { status, stdout, stderr } = await pull('models');
  expect([status, stdout, stderr]).toEqual([0, `pulled: ${name}\n`, expect.stringContaining('release 1')]);
  const path = at('models', 'v1.safetensors');
  expect(readFileSync(path).equals(writeSafetensors(fleet.version(1).model))).toBe(true);
  expect(readdirSync(at('models')).sort()).toEqual(['v1.safetensors', 'v1.safetensors.updates']);
  const model = ['--model', path];
  expect(JSON.parse((await command('status', ...model, '--json')).stdout)).toMatchObject({ counter: 1 });
  const updated = await command('update', ...model, '--repo', url, '--root', at('root.json'), '--confirm');
  expect(updated.stdout).toBe(`updated: ${fleet.version(2).name}\n`);
});

test('pull replaces nothing unless forced, and no model on trial', async () => {
  const path = at('kept.safetensors');
  expect((await pull('kept.safetensors')).status).toBe(0);
  expect((await pull('kept.safetensors')).stderr).toContain('output-exists');
  expect((await pull('kept.safetensors', '--force')).status).toBe(0);
  await command('update', '--model', path, '--repo', url, '--root', at('root.json'));
  const before = readFileSync(path);
  const { status, stderr } = await pull('kept.safetensors', '--force');
  expect([status, stderr]).toEqual([5, expect.stringContaining('on-trial')]);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('pull refuses a repository without a whole model for the device, and files that are not the signed ones', async () => {
  const other = await Fleet.startNow(3);
  await other.release(1);
  const { files } = other.publisher.files;
  const server = await startHostileServer(files);
  writeFileSync(at('other.json'), files.get('metadata/1.root.json') as Uint8Array);
  const from = (out: string) =>
    command('pull', '--repo', server.url, '--root', at('other.json'), '-o', at(out));
  try {
    const none = await from('none.safetensors');
    expect([none.status, none.stderr]).toEqual([
      3,
      expect.stringContaining('no whole model for this device'),
    ]);
    await other.releaseWhole(2);
    const path = [...files.keys()].find((each) => each.endsWith('.v2.safetensors')) as string;
    files.set(
      path,
      (files.get(path) as Uint8Array).map((byte, i) => (i === 900 ? byte ^ 1 : byte)),
    );
    const damaged = await from('damaged.safetensors');
    expect([damaged.status, damaged.stderr]).toEqual([6, expect.stringContaining('payload-mismatch')]);
    expect(existsSync(at('damaged.safetensors'))).toBe(false);
  } finally {
    await server.close();
  }
});
