import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { copyModel } from '../../src/model/store.js';
import { openFolder } from '../../src/node/folder.js';
import { openModel, openModelStorage } from '../../src/node/open-model.js';
import { openBase } from '../../src/recipe/open-base.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel } from '../../src/tfjs/layers-files.js';
import { codeOf } from '../support.js';
import { command, expectRefusal, scratch, writeModel } from './command.js';
import { writeGraphFolder } from './networks.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

/** Writes a LayersModel whose files have names of its own, as publishers ship several in one folder. */
async function writeNamed(path: string, name: string, seed: number): Promise<void> {
  const source = at(`source-${name}-${seed}`);
  await writeModel(source, seed);
  mkdirSync(path, { recursive: true });
  const json = JSON.parse(readFileSync(join(source, 'model.json'), 'utf8'));
  const shards: string[] = json.weightsManifest[0].paths;
  json.weightsManifest[0].paths = shards.map((shard) => `${name}-${shard}`);
  for (const shard of shards) renameSync(join(source, shard), join(path, `${name}-${shard}`));
  writeFileSync(join(path, `${name}.json`), JSON.stringify(json));
}

const read = async (path: string) => {
  const store = await openModel(path);
  return copyModel(store).finally(() => store.close());
};

const printed = async (path: string) => (await command('fingerprint', path)).stdout.split(' ')[0];

beforeAll(async () => {
  await writeNamed(at('zoo'), 'pose-lite', 1);
  await writeNamed(at('zoo'), 'pose-full', 2);
  await writeNamed(at('newer'), 'blazepose', 3);
  for (const name of ['labels.json', 'README.md']) writeFileSync(at('zoo', name), '{"labels":["a"]}');
  await command('diff', at('zoo', 'pose-lite.json'), at('newer'), '-o', at('update.ndiff'));
});

test('a path chooses one of several models in a folder, whatever they are named', async () => {
  const [lite, full] = [await read(at('zoo', 'pose-lite.json')), await read(at('zoo', 'pose-full.json'))];
  expect(lite.tensors.map(({ name }) => name)).toEqual(full.tensors.map(({ name }) => name));
  expect(lite).not.toEqual(full);
  const files = await openFolder(at('zoo'));
  for (const store of [
    await openContainer(files, 'pose-lite.json'),
    await openLayersStore(files, 'pose-lite.json'),
  ])
    expect(await copyModel(store)).toEqual(lite);
  await files.close();
});

test('openModel() opens a folder with one such file, and names the files of a folder with several', async () => {
  writeFileSync(at('newer', 'labels.json'), '["a"]');
  mkdirSync(at('newer', 'folder.json'));
  symlinkSync('nowhere', at('newer', 'broken.json'));
  expect(await read(at('newer'))).toEqual(await read(at('newer', 'blazepose.json')));
  await expect(openModel(at('zoo'))).rejects.toMatchObject({
    code: 'file-not-found',
    message: expect.stringContaining('pose-full.json, pose-lite.json'),
  });
  for (const name of ['folder.json', 'broken.json']) rmSync(at('newer', name), { recursive: true });
});

test('apply -o copies one of several models with its companions, and the copy opens as a folder', async () => {
  const { status } = await command(
    'apply',
    at('zoo', 'pose-lite.json'),
    at('update.ndiff'),
    '-o',
    at('next'),
  );
  expect(status).toBe(0);
  const shards = readdirSync(at('zoo')).filter((name) => name.startsWith('pose-lite'));
  expect(readdirSync(at('next')).sort()).toEqual([...shards, 'README.md', 'labels.json'].sort());
  expect(await printed(at('next'))).toBe(await printed(at('newer')));
  expect(readFileSync(at('next', 'pose-lite.json'))).toEqual(readFileSync(at('zoo', 'pose-lite.json')));
});

test('apply --in-place patches one of several models, and leaves the others', async () => {
  await writeNamed(at('device'), 'pose-lite', 1);
  await writeNamed(at('device'), 'pose-full', 2);
  const other = await printed(at('device', 'pose-full.json'));
  const path = at('device', 'pose-lite.json');
  expect((await command('apply', path, at('update.ndiff'), '--in-place')).status).toBe(0);
  expect(await printed(path)).toBe(await printed(at('newer')));
  expect(await printed(at('device', 'pose-full.json'))).toBe(other);
  const storage = await openModelStorage(path);
  expect(storage.file).toBe('pose-lite.json');
  await storage.close();
});

test('a network trains and runs from such a file', async () => {
  await useBackend('cpu');
  const { kind, files, file, store } = await openBase({ base: at('zoo', 'pose-full.json') });
  expect([kind, file]).toEqual(['layers-model', 'pose-full.json']);
  const model = await loadModel(files, file);
  expect(model.countParams()).toBe(
    store.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0),
  );
  await store.close();
  writeGraphFolder(at('graph'));
  const json = JSON.parse(readFileSync(at('graph', 'model.json'), 'utf8'));
  const x = { name: 'x', dtype: 'DT_FLOAT', tensorShape: { dim: [{ size: '-1' }, { size: '2' }] } };
  writeFileSync(
    at('graph', 'points.json'),
    JSON.stringify({ ...json, signature: { inputs: { x }, outputs: {} } }),
  );
  rmSync(at('graph', 'model.json'));
  const { stdout } = await command('info', at('graph', 'points.json'), '--json');
  expect(JSON.parse(stdout).inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [null, 2] }]);
});

test.each([
  ['other fields', '{"labels":1,"license":"x"}', 'got "labels", "license"'],
  ['no fields', '{}', 'got no fields'],
  ['a key that occurs twice', '{"weightsManifest":[],"weightsManifest":[]}', 'twice'],
  ['text that is cut', '{"weightsManifest":[', 'expected JSON'],
])('a JSON file with %s is refused', async (_, text, message) => {
  writeFileSync(at('other.json'), text);
  await expectRefusal(command('info', at('other.json'), '--json'), 'bad-model', message);
});

test('a file is recognised behind a byte order mark and white space, and by its content alone', async () => {
  const lite = await read(at('zoo', 'pose-lite.json'));
  const json = readFileSync(at('zoo', 'pose-lite.json'), 'utf8');
  for (const name of ['lite.index.json', 'lite']) {
    writeFileSync(at('zoo', name), `\ufeff\n  ${json}`);
    expect(await read(at('zoo', name))).toEqual(lite);
    rmSync(at('zoo', name));
  }
});

test('openModel() refuses a JSON file above 64 MiB before it is read', async () => {
  mkdirSync(at('large'));
  writeFileSync(at('large', 'huge.json'), `{"weightsManifest":[]${' '.repeat(2 ** 26)}}`);
  expect(await codeOf(() => openModel(at('large', 'huge.json')))).toBe('bad-model');
});

test('fingerprint and digest of the rest are those of the same files under the usual name', async () => {
  await writeModel(at('usual'), 1);
  cpSync(at('usual'), at('renamed'), { recursive: true });
  renameSync(at('renamed', 'model.json'), at('renamed', 'any.json'));
  const [usual, renamed] = [await openModel(at('usual')), await openModel(at('renamed'))];
  expect(await fingerprint(renamed)).toEqual(await fingerprint(usual));
  expect(await renamed.outside?.()).toEqual(await usual.outside?.());
  await usual.close();
  await renamed.close();
});
