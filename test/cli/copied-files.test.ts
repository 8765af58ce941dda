import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { seededTensor } from '../support.js';
import { command, expectRefusal, scratch } from './command.js';

const shared = scratch();
let folder: string;
const at = (...names: string[]): string => join(folder, ...names);

const modelOf = (seed: number) => ({
  tensors: [seededTensor('one', 'float32', [40], seed), seededTensor('two', 'float32', [30], seed + 1)],
});

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
}

/** A model in two shards, one of them in a folder of its own, by the kind of its main file. */
const KINDS: Readonly<Record<string, { main: string; shards: readonly string[]; write(): void }>> = {
  LayersModel: {
    main: 'model.json',
    shards: ['group1-shard1of1.bin', 'more/group2.bin'],
    write() {
      const { tensors } = modelOf(1);
      const groups = tensors.map(({ name, dtype, shape, bytes }, i) => {
        write(`model/${this.shards[i]}`, bytes);
        return { paths: [this.shards[i]], weights: [{ name, dtype, shape }] };
      });
      write('model/model.json', JSON.stringify({ modelTopology: {}, weightsManifest: groups }));
    },
  },
  'index of safetensors': {
    main: 'model.safetensors.index.json',
    shards: ['one.safetensors', 'more/two.safetensors'],
    write() {
      const map: Record<string, string | undefined> = {};
      for (const [i, tensor] of modelOf(1).tensors.entries()) {
        write(`model/${this.shards[i]}`, writeSafetensors({ tensors: [tensor] }));
        map[tensor.name] = this.shards[i];
      }
      write('model/model.safetensors.index.json', JSON.stringify({ weight_map: map }));
    },
  },
};

const COMPANIONS = [
  'LICENSE',
  'README.md',
  'bpe.vocab',
  'config.json',
  'merges.txt',
  'source.spm',
  'tokenizer.model',
  'vocab',
];
const OTHERS = ['.env', '.git/config', 'old.bin', 'optimizer.pt', 'old.undo', 'deep/config.json'];

beforeEach(async () => {
  folder = mkdtempSync(join(shared, 'case-'));
  write('update.ndiff', (await diffModels(modelOf(1), modelOf(5))).payload);
  write('secret', 'secret');
});

const apply = (...more: string[]) => command('apply', at('model'), at('update.ndiff'), ...more);

const filesIn = (name: string): string[] =>
  readdirSync(at(name), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(at(name).length + 1))
    .sort();

describe.each(Object.entries(KINDS))('apply -o of a model: %s', (_, kind) => {
  beforeEach(() => {
    kind.write();
    for (const name of [...COMPANIONS, ...OTHERS]) write(`model/${name}`, name);
  });

  test('copies the files that it names and its companions, and nothing else', async () => {
    expect(await apply('-o', at('next'))).toMatchObject({ status: 0 });
    expect(filesIn('next')).toEqual([kind.main, ...kind.shards, ...COMPANIONS].sort());
    const { stdout } = await command('fingerprint', at('next'));
    write('plain.safetensors', writeSafetensors(modelOf(5)));
    expect(stdout.split(' ')[0]).toBe(
      (await command('fingerprint', at('plain.safetensors'))).stdout.split(' ')[0],
    );
  });

  test.each(['config.json', 'tokenizer.json'])(
    'never copies what a link leads to outside: %s',
    async (name) => {
      write('model/config.json', '{}');
      if (name === 'config.json') {
        rmSync(at('model', name));
      }
      symlinkSync('../secret', at('model', name));
      await expectRefusal(apply('-o', at('next'), '--json'), 'unsafe-path', name);
      expect(readdirSync(folder).sort()).toEqual(['model', 'secret', 'update.ndiff']);
    },
  );

  test('leaves out names of companions that lead to no file', async () => {
    symlinkSync('nothing', at('model', 'gone.json'));
    symlinkSync('loop.json', at('model', 'loop.json'));
    symlinkSync('more', at('model', 'folder.json'));
    symlinkSync('/dev/null', at('model', 'device.txt'));
    mkdirSync(at('model', 'data.json'));
    symlinkSync('config.json', at('model', 'linked.json'));
    expect(await apply('-o', at('next'))).toMatchObject({ status: 0 });
    expect(filesIn('next')).toEqual([kind.main, ...kind.shards, ...COMPANIONS, 'linked.json'].sort());
  });

  test('copies a shard that is a link within the folder as a file; in place it is refused', async () => {
    const [shard] = kind.shards as [string];
    const bytes = readFileSync(at('model', shard));
    write('model/blobs/abc', bytes);
    rmSync(at('model', shard));
    symlinkSync('blobs/abc', at('model', shard));
    await expectRefusal(apply('--in-place', '--json'), 'unsafe-path', 'is a link');
    expect(readFileSync(at('model', 'blobs/abc')).equals(bytes)).toBe(true);
    expect(await apply('-o', at('next'))).toMatchObject({ status: 0 });
    expect(lstatSync(at('next', shard)).isFile()).toBe(true);
    expect(readFileSync(at('model', 'blobs/abc')).equals(bytes)).toBe(true);
  });
});

test('apply -o --force refuses a folder that contains the model, and replaces a link but not what it leads to', async () => {
  write('models/v1.safetensors', writeSafetensors(modelOf(1)));
  write('models/v0.safetensors', 'another');
  const v1 = at('models', 'v1.safetensors');
  const args = ['apply', v1, at('update.ndiff'), '--force', '-o'];
  await expectRefusal(command(...args, at('models'), '--json'), 'output-exists', 'contains the model');
  expect(filesIn('models')).toEqual(['v0.safetensors', 'v1.safetensors']);
  symlinkSync('secret', at('out.safetensors'));
  expect(await command(...args, at('out.safetensors'))).toMatchObject({ status: 0 });
  expect(lstatSync(at('out.safetensors')).isFile()).toBe(true);
  expect(readFileSync(at('secret'), 'utf8')).toBe('secret');
});
