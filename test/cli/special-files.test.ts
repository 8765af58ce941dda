import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
let fleet: Fleet;

/** Files that end never, or not before somebody writes to them. */
const SPECIAL = { 'a named pipe': at('pipe'), 'a device': '/dev/zero' };

beforeAll(async () => {
  execFileSync('mkfifo', [at('pipe')]);
  await writeModel(at('layers'));
  fleet = await Fleet.startNow(2);
  const { payload, model } = fleet.version(1);
  await fleet.publish({
    base: openMemoryStore(fleet.version(0).model),
    name: 'v1.ndiff',
    counter: 1,
    bytes: payload,
  });
  for (const [path, bytes] of fleet.publisher.files.files) {
    mkdirSync(dirname(at('repo', path)), { recursive: true });
    writeFileSync(at('repo', path), bytes);
  }
  writeFileSync(at('v1.ndiff'), payload);
  writeFileSync(at('v0.safetensors'), writeSafetensors(fleet.version(0).model));
  writeFileSync(at('v1.safetensors'), writeSafetensors(model));
  expect((await command('keys', 'generate', '-o', at('key'))).status).toBe(0);
  const sign = ['sign', at('v1.ndiff'), '--base', at('v0.safetensors'), '--counter', '1'];
  expect((await command(...sign, '--key', at('key.key.json'))).status).toBe(0);
});

const model = at('v0.safetensors');
const release = at('v1.ndiff.release.json');

/** Command lines that read a file; the file is the last argument. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  'a payload to show': ['info'],
  'a payload to apply': ['apply', '-o', at('never'), model],
  'a payload to reverse': ['reverse', '--base', model, '-o', at('never')],
  'a public key': ['verify', model, at('v1.ndiff'), '--release', release, '--key'],
  'a release': ['verify', model, at('v1.ndiff'), '--key', at('key.pub.json'), '--release'],
  'a private key': ['sign', at('v1.ndiff'), '--base', model, '--counter', '1', '-o', at('never'), '--key'],
  'golden inputs': [
    'sign',
    at('v1.ndiff'),
    '--base',
    model,
    '--counter',
    '1',
    '--key',
    at('key.key.json'),
    '-o',
    at('never'),
    '--golden',
  ],
  'root metadata': ['update', '--model', model, '--repo', at('repo'), '--root'],
  'a recipe': ['train', 'hash', '--base', at('layers'), '--budget', '1kB', '-o', at('never'), '--recipe'],
  'a document': ['report', '-o', at('never'), '--bench'],
};

test.each(Object.entries(READERS))('%s must be a regular file', async (_, args) => {
  for (const [found, path] of Object.entries(SPECIAL)) {
    const { status, stdout } = await command('--json', ...args, path);
    expect([status, JSON.parse(stdout).error.code]).toEqual([2, 'file-unreadable']);
    expect(JSON.parse(stdout).error.message).toMatch(
      new RegExp(`expected a regular file, got ${found}|is not a file`),
    );
  }
});

test('a repository in a folder must consist of regular files, whatever they grow to', async () => {
  const update = (repo: string) =>
    command('update', '--model', model, '--repo', repo, '--root', at('repo/metadata/1.root.json'), '--json');
  const target = [...fleet.publisher.files.files.keys()].find((path) => path.endsWith('.v1.ndiff')) as string;
  for (const [i, path] of ['metadata/timestamp.json', 'metadata/2.root.json', target].entries())
    for (const special of Object.values(SPECIAL)) {
      const repo = at(`repo-${i}`);
      rmSync(repo, { recursive: true, force: true });
      cpSync(at('repo'), repo, { recursive: true });
      rmSync(join(repo, path), { force: true });
      symlinkSync(special, join(repo, path));
      const { status, stdout } = await update(repo);
      expect([path, status, JSON.parse(stdout).error.code]).toEqual([path, 2, 'file-unreadable']);
    }
  rmSync(at('repo-0/metadata/timestamp.json'));
  writeFileSync(at('repo-0/metadata/timestamp.json'), new Uint8Array(20_000));
  expect(JSON.parse((await update(at('repo-0'))).stdout).error.code).toBe('limit-exceeded');
  expect(readFileSync(model)).toEqual(Buffer.from(writeSafetensors(fleet.version(0).model)));
  const { stdout } = await update(at('repo'));
  expect(JSON.parse(stdout)).toMatchObject({ status: 'updated', fingerprint: fleet.version(1).name });
  expect((await command('rollback', '--model', model)).status).toBe(0);
});

test('pipes of a shell are read as files are, up to the limit', () => {
  const run = (script: string) =>
    spawnSync('bash', ['-c', script.replaceAll('neural-diff', `"${process.execPath}" "${MAIN}"`)], {
      encoding: 'utf8',
      cwd: folder,
      timeout: 60_000,
    });
  const plain = run('neural-diff info v1.ndiff --json');
  for (const script of [
    'neural-diff info <(cat v1.ndiff) --json',
    'cat v1.ndiff | neural-diff info /dev/stdin --json',
    'neural-diff info /dev/stdin --json < v1.ndiff',
  ])
    expect(run(script).stdout).toBe(plain.stdout);
  const verify = 'neural-diff verify v0.safetensors v1.ndiff --json';
  expect(run(`${verify} --release <(cat v1.ndiff.release.json) --key <(cat key.pub.json)`).status).toBe(0);
  const endless = run(`${verify} --release v1.ndiff.release.json --key <(cat /dev/zero)`);
  expect([endless.status, JSON.parse(endless.stdout).error.code]).toEqual([6, 'limit-exceeded']);
});
