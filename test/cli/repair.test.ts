import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { type HostileServer, startHostileServer } from '../rig/hostile-server.js';
import { seededTensor } from '../support.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch, writeModel } from './command.js';

const CHUNK = 65_536;

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const MODEL = at('device', 'big.safetensors');
const good = writeSafetensors({ tensors: [seededTensor('w', 'float32', [400, 400])] });
let fleet: Fleet;
let server: HostileServer;

beforeAll(async () => {
  fleet = await Fleet.startNow(3);
  await fleet.publish({ name: 'big.safetensors', bytes: good, counter: 1 });
  server = await startHostileServer(fleet.publisher.files.files);
  writeFileSync(at('root.json'), fleet.publisher.files.files.get('metadata/1.root.json') as Uint8Array);
  mkdirSync(at('device'));
  await repository('pull', '-o', MODEL);
  cpSync(at('device'), at('installed'), { recursive: true });
  return () => server.close();
});

beforeEach(() => {
  rmSync(at('device'), { recursive: true, force: true });
  cpSync(at('installed'), at('device'), { recursive: true });
  server.tricks = {};
});

const repository = (name: string, ...args: string[]) =>
  command(name, ...args, '--repo', server.url, '--root', at('root.json'));

/** Repairs, and says what was fetched of the model, in requests of its first byte. */
async function repair(path = MODEL, ...args: string[]) {
  const before = server.requests.length;
  const { status, stdout, stderr } = await repository(
    'doctor',
    '--model',
    path,
    '--repair',
    '--json',
    ...args,
  );
  const asked = server.requests.slice(before).filter((each) => each.path.endsWith('.big.safetensors'));
  const { findings = [], error } = stdout === '' ? {} : JSON.parse(stdout);
  const [found] = findings;
  return { status, stderr, found, error, offsets: asked.map(({ offset }) => offset) };
}

function damage(path: string, ...offsets: number[]): void {
  const bytes = readFileSync(path);
  for (const offset of offsets) bytes[offset] = (bytes[offset] as number) ^ 0x10;
  writeFileSync(path, bytes);
}

const isWhole = (): boolean => readFileSync(MODEL).equals(good);

test('doctor --repair fetches the chunks whose digests differ, neighbours with one request', async () => {
  damage(MODEL, 3 * CHUNK + 5, 6 * CHUNK, 7 * CHUNK + 1);
  const told = await command('doctor', '--model', MODEL);
  expect([told.status, told.stdout]).toEqual([1, expect.stringContaining('which release 1 installed, got')]);
  expect(told.stderr).toContain('--repair with --repo and --root');
  const planned = await repair(MODEL, '--dry-run');
  expect(planned).toMatchObject({ offsets: [], found: { check: 'repair', fetched: 3 * CHUNK } });
  expect(isWhole()).toBe(false);

  const { status, found, offsets } = await repair();
  expect([status, offsets]).toEqual([0, [3 * CHUNK, 6 * CHUNK]]);
  expect(found).toMatchObject({
    isGood: true,
    release: 'big.safetensors',
    fetched: 3 * CHUNK,
    of: good.length,
  });
  expect(isWhole()).toBe(true);
  expect((await repair()).found.text).toBe('nothing is damaged');
  expect(JSON.parse((await command('status', '--model', MODEL, '--json')).stdout)).toMatchObject({
    counter: 1,
  });
});

test('doctor --repair sends only the bytes of damaged chunks over the network', async () => {
  damage(MODEL, 4 * CHUNK);
  const before = server.bytesSent;
  await repair();
  const list = 32 * Math.ceil(good.length / CHUNK);
  const metadata = [...fleet.publisher.files.files].filter(([path]) => /^metadata\/[^1]/.test(path));
  const most = metadata.reduce((sum, [, bytes]) => sum + bytes.length, CHUNK + list);
  expect(server.bytesSent - before).toBeLessThanOrEqual(most);
});

test.each([
  ['its header', () => damage(MODEL, 0, 9), [0]],
  ['its end, which is lost', () => truncateSync(MODEL, 8 * CHUNK + 1), [8 * CHUNK]],
  ['bytes behind its end', () => writeFileSync(MODEL, Buffer.concat([good, Buffer.alloc(9)])), []],
  ['all of it', () => rmSync(MODEL), [0]],
])('doctor --repair mends a model that is damaged in %s', async (_, spoil, requests) => {
  spoil();
  const { status, offsets } = await repair();
  expect([status, offsets]).toEqual([0, requests]);
  expect(isWhole()).toBe(true);
});

test('doctor --repair replaces nothing by a file that is not the signed one, and goes on afterwards', async () => {
  damage(MODEL, 2 * CHUNK, 5 * CHUNK);
  const broken = readFileSync(MODEL);
  server.tricks = { flipsAt: 2 * CHUNK + 7 };
  const refused = await repair();
  expect([refused.status, refused.error.code]).toEqual([6, 'payload-mismatch']);
  expect(readFileSync(MODEL).equals(broken)).toBe(true);
  server.tricks = { cutAfter: 30_000 };
  expect((await repair()).status).toBe(0);
  expect(isWhole()).toBe(true);
}, 60_000);

test('doctor --repair takes the whole file from a server without ranges', async () => {
  damage(MODEL, 2 * CHUNK);
  server.tricks = { ignoresRanges: true };
  expect((await repair()).status).toBe(0);
  expect(isWhole()).toBe(true);
});

test('doctor --repair refuses digests that are not the signed ones', async () => {
  damage(MODEL, 2 * CHUNK);
  const { files } = fleet.publisher.files;
  const path = [...files.keys()].find((each) => each.endsWith('.chunks')) as string;
  const list = files.get(path) as Uint8Array;
  try {
    files.set(
      path,
      list.map((byte) => byte ^ 1),
    );
    expect((await repair()).error.code).toBe('payload-mismatch');
    // Repositories of older programs have none.
    files.delete(path);
    expect((await repair()).found).toMatchObject({ fetched: good.length });
    expect(isWhole()).toBe(true);
  } finally {
    files.set(path, list);
  }
});

test('doctor --repair keeps a journal that cannot be undone under another name', async () => {
  damage(MODEL, 2 * CHUNK);
  writeFileSync(`${MODEL}.undo`, Buffer.alloc(300, 7));
  expect((await repair()).status).toBe(0);
  expect(isWhole()).toBe(true);
  expect(readdirSync(at('device')).filter((name) => name.includes('.undo'))).toEqual([
    'big.safetensors.undo.damaged',
  ]);
});

test('doctor --repair leaves models alone that the repository knows, and names what it cannot repair', async () => {
  renameSync(`${MODEL}.updates`, at('device', 'elsewhere'));
  const known = await repair();
  expect([known.found.text, existsSync(`${MODEL}.updates/state`)]).toEqual(['nothing is damaged', false]);
  const onnx = at('device', 'other.onnx');
  cpSync(MODEL, onnx);
  damage(onnx, 2 * CHUNK);
  expect((await repair(onnx)).error).toMatchObject({
    code: 'no-route',
    message: expect.stringContaining('no whole model in a .onnx file for this device'),
  });
});

test('doctor --repair repairs a folder in place by the tensors of a release', async () => {
  await writeModel(at('model'), 1);
  await command('keys', 'generate', '-o', at('one'));
  const publish = (...args: string[]) =>
    command('publish', at('releases'), '--key', at('one.key.json'), ...args);
  await publish('--init');
  await publish('--payload', at('model'), '--counter', '1');
  const shard = readdirSync(at('model')).find((name) => name.endsWith('.bin')) as string;
  const before = readFileSync(at('model', shard));
  damage(at('model', shard), 77);
  const root = at('releases', 'metadata', '1.root.json');
  const flags = ['--model', at('model'), '--repair', '--repo', at('releases'), '--root', root];
  const { status, stdout, stderr } = await command('doctor', ...flags);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain('1 of 1 chunk, from release 1, "model.safetensors"');
  expect(readFileSync(at('model', shard)).equals(before)).toBe(true);
  expect(readdirSync(join(dirname(at('model', shard)), 'model.json.updates')).sort()).not.toContain(
    'damaged.safetensors',
  );
});

test('doctor --repair goes back from a damaged trial', async () => {
  const device = at('trial', 'v1.safetensors');
  mkdirSync(at('trial'));
  const small = await Fleet.startNow(3);
  await small.releaseWhole(1);
  await small.release(2);
  const { files } = small.publisher.files;
  const other = await startHostileServer(files);
  writeFileSync(at('small.json'), files.get('metadata/1.root.json') as Uint8Array);
  const from = ['--repo', other.url, '--root', at('small.json')];
  try {
    await command('pull', ...from, '-o', device);
    await command('update', ...from, '--model', device);
    damage(device, 5000);
    const { status, stdout } = await command('doctor', '--repair', '--model', device, ...from);
    expect([status, stdout]).toEqual([0, expect.stringContaining('rolled back: the model on trial')]);
    expect(readFileSync(device).equals(writeSafetensors(small.version(1).model))).toBe(true);
    expect(JSON.parse((await command('status', '--model', device, '--json')).stdout)).toMatchObject({
      status: 'settled',
      counter: 1,
    });
  } finally {
    await other.close();
  }
});

test.each([
  [['--repair'], '--repo and --root with --repair'],
  [['--repo', 'x'], '--repair with --repo'],
  [['--dry-run'], '--repair with --repo'],
])('doctor %s is asked for more', async (args, words) => {
  const { status, stderr } = await command('doctor', '--model', MODEL, ...args);
  expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
});
