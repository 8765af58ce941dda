import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Model } from '../../src/model/tensor.js';
import { openNodeDisk } from '../../src/node/disk.js';
import { openModel, openModelStorage } from '../../src/node/open-model.js';
import type { Diff } from '../../src/payload/diff.js';
import { installSlots, openSlots } from '../../src/storage/slots.js';
import { runHere } from '../cli/run-here.js';
import { externalData, field, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { withHeader, writeSafetensors } from '../containers/write-safetensors.js';
import { CALL_KINDS, withFaultyCalls } from '../rig/faulty-fs.js';
import { applyTo, createUpdate, MAIN } from '../storage/storages.js';
import { codeOf, pack, seededTensor } from '../support.js';

let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neural-diff-promises-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('applying twice is a no-op: exit 0, and nothing but the lock is written', async () => {
  const update = await createUpdate();
  writeFileSync(at(MAIN), update.file);
  writeFileSync(at('update.ndiff'), update.payload);
  const apply = () => runHere('apply', at(MAIN), at('update.ndiff'), '--in-place');
  expect(await apply()).toMatchObject({ status: 0, stdout: expect.stringContaining('applied') });
  const { mtimeNs, ctimeNs, ino } = statSync(at(MAIN), { bigint: true });
  const calls: Record<string, number> = {};
  for (const kind of CALL_KINDS) {
    const never = Number.POSITIVE_INFINITY;
    calls[kind] = await withFaultyCalls({ kind, from: never, to: never, code: '', folder }, async () => {
      expect(await apply()).toMatchObject({ status: 0, stdout: expect.stringContaining('already current') });
    });
  }
  // Two locks, of recovery and update: a draft is written, linked to its name, and both are removed.
  expect(calls).toMatchObject({ write: 2, sync: 0, rename: 0, link: 2, remove: 4 });
  expect(statSync(at(MAIN), { bigint: true })).toMatchObject({ mtimeNs, ctimeNs, ino });
  expect(readdirSync(folder).sort()).toEqual([MAIN, 'update.ndiff']);
});

/** Reads lines of a process one at a time. */
function linesOf(child: ChildProcess): () => Promise<string> {
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })[
    Symbol.asyncIterator
  ]();
  return async () => (await lines.next()).value as string;
}

test('a reader during apply sees base or next, where the model is kept in two copies', async () => {
  const update = await createUpdate();
  const disk = openNodeDisk(folder);
  const openFile = (files: Parameters<typeof openContainer>[0]) => openContainer(files, MAIN);
  const slots = { disk, folder: 'model', openModel: openFile };
  await installSlots(slots, openMemoryFiles(new Map([[MAIN, update.file]])), [MAIN]);
  const program = new URL('./read-slots.mjs', import.meta.url).pathname;
  const reader = spawn(process.execPath, [program, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const nextLine = linesOf(reader);
  const begin = async (): Promise<void> => {
    reader.stdin.write('read\n');
    expect(await nextLine()).toBe('begin');
  };
  const storage = openSlots(slots);
  const found = new Set<string>();
  for (let i = 0; i < 40; i++) {
    // A reading goes on during one update or rollback, and has ended before its copy is replaced.
    await begin();
    if (i % 4 === 0) found.add(await nextLine());
    const act = i % 2 === 0 ? applyTo(storage, update) : storage.rollback();
    if (i % 4 === 0) await begin();
    found.add((await Promise.all([nextLine(), act]))[0]);
  }
  reader.stdin.end();
  await once(reader, 'close');
  await disk.close();
  for (const name of found) expect([update.base, update.next]).toContain(name);
  expect(found.size).toBe(2);
});

/** Names that lead out of a folder, and what they are refused with. */
const PATHS = {
  'a parent': '../secret',
  'a parent further in': 'a/../../secret',
  'an absolute path': '/etc/hostname',
  'a backslash': '..\\secret',
  'a drive letter': 'C:/secret',
  'a drive letter and a backslash': 'C:\\secret',
  'a network share': '\\\\server\\secret',
  'a zero byte': 'secret\0',
  'an address': 'file:///etc/hostname',
  'a point': './secret',
  'nothing between slashes': 'a//secret',
  'a link': 'link',
  'a link to a folder': 'up/secret',
} as const;

/** Containers that name other files, and how a name is put into one. */
const NAMING: Readonly<Record<string, { ending: string; write(name: string): string }>> = {
  LayersModel: {
    ending: '',
    write(name) {
      const weights = [{ name: 'w', dtype: 'float32', shape: [12] }];
      writeFileSync(
        at('model', 'model.json'),
        JSON.stringify({ weightsManifest: [{ paths: [name], weights }] }),
      );
      return 'model.json';
    },
  },
  'index of safetensors': {
    ending: '.safetensors',
    write(name) {
      writeFileSync(at('model', 'model.safetensors.index.json'), JSON.stringify({ weight_map: { w: name } }));
      return 'model.safetensors.index.json';
    },
  },
  ONNX: {
    ending: '',
    write(name) {
      const tensor = seededTensor('w', 'float32', [12]);
      writeFileSync(at('model', 'model.onnx'), onnxModel(field(5, tensorProto(tensor, externalData(name)))));
      return 'model.onnx';
    },
  },
};

describe.each(Object.entries(NAMING))(
  'paths in a manifest cannot leave their folder: %s',
  (_, { ending, write }) => {
    beforeEach(() => {
      mkdirSync(at('model', 'a'), { recursive: true });
      const secret = ending
        ? writeSafetensors({ tensors: [seededTensor('w', 'float32', [12])] })
        : new Uint8Array(48);
      writeFileSync(at(`secret${ending}`), secret);
      symlinkSync(`../secret${ending}`, at('model', `link${ending}`));
      symlinkSync('..', at('model', 'up'));
    });

    test.each(Object.entries(PATHS))('%s', async (_name, path) => {
      const main = write(path + ending);
      for (const options of [{}, { writable: true }]) {
        const read = async (): Promise<void> => {
          const store = await openModel(at('model', main), options);
          await store.readInto('w', 0, new Uint8Array(4)).finally(() => store.close());
        };
        expect(await codeOf(read)).toBe('unsafe-path');
      }
      const storage = await openModelStorage(at('model', main));
      expect(await codeOf(() => storage.open())).toBe('unsafe-path');
      await storage.close();
    });

    test.each(['%2e%2e/secret', '..%2fsecret', '%2e%2e%5csecret'])('%s is a plain name', async (path) => {
      const main = write(path + ending);
      expect(await codeOf(async () => void (await openModel(at('model', main))))).toBe('file-not-found');
    });
  },
);

/** Diffs that touch one page, many pages, and all of them. */
const CHANGES: Readonly<Record<string, (count: number) => Diff>> = {
  'one weight': () => sparse([5]),
  'weights here and there': (count) =>
    sparse(Array.from({ length: 60 }, (_, i) => Math.floor((i * count) / 60))),
  'every weight': (count) => sparse(Array.from({ length: count }, (_, i) => i)),
};

function sparse(positions: readonly number[]): Diff {
  const levels = Int16Array.from(positions, () => 1);
  return {
    ops: [{ kind: 'sparse', tensor: 'w', scale: 0.25, positions: Uint32Array.from(positions), levels }],
  };
}

describe('extra disk is at most the journal of touched bytes, declared beforehand', () => {
  test.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const count = 400_000;
    const model: Model = {
      tensors: [seededTensor('pad', 'int8', [77]), seededTensor('w', 'float32', [count])],
    };
    const { payload, next } = await pack(model, change(count));
    writeFileSync(at(MAIN), writeSafetensors(model));
    writeFileSync(at('update.ndiff'), payload);
    const declared = await runHere(
      'apply',
      at(MAIN),
      at('update.ndiff'),
      '--in-place',
      '--dry-run',
      '--json',
    );
    const { base, next: name, journalBytes, bytesWritten } = JSON.parse(declared.stdout);
    rmSync(at('update.ndiff'));
    const storage = await openModelStorage(at(MAIN));
    let most = 0;
    const measure = (): void => {
      const sizes = readdirSync(folder).map((each) => (each === MAIN ? 0 : statSync(at(each)).size));
      most = Math.max(
        most,
        sizes.reduce((sum, size) => sum + size, 0),
      );
    };
    await storage.update(async (each) => void (await applyPayload(each, payload, { onProgress: measure })), {
      base,
      next: name,
    });
    measure();
    expect(statSync(at(`${MAIN}.undo`)).size).toBeGreaterThan(bytesWritten);
    expect(most).toBeLessThanOrEqual(journalBytes);
    // A run of one page may lie across two, and a small lock is there too.
    expect(journalBytes).toBeLessThan(4 * bytesWritten + 20_000);
    await storage.confirm();
    await storage.close();
    expect(readdirSync(folder)).toEqual([MAIN]);
    expect(new Uint8Array(readFileSync(at(MAIN)))).toEqual(writeSafetensors(next));
  });
});

/** Writes a model of zeros and an update of every hundredth page or so. */
async function writeZeros(name: string, count: number): Promise<void> {
  const model: Model = {
    tensors: [{ name: 'w', dtype: 'float32', shape: [count], bytes: new Uint8Array(4 * count) }],
  };
  const changed = Math.min(3_000, count / 100);
  const { payload } = await pack(
    model,
    sparse(Array.from({ length: changed }, (_, i) => Math.floor((i * count) / changed))),
  );
  writeFileSync(at(`${name}.ndiff`), payload);
  const entry = { dtype: 'F32', shape: [count], data_offsets: [0, 4 * count] };
  const head = withHeader(JSON.stringify({ w: entry }));
  const file = openSync(at(`${name}.safetensors`), 'w');
  writeSync(file, head);
  ftruncateSync(file, head.length + 4 * count);
  closeSync(file);
}

/** @returns the most memory in bytes that a process takes to apply an update */
async function peakOf(name: string): Promise<number> {
  const peak = new URL('./print-peak.mjs', import.meta.url).href;
  const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
  const args = [
    '--import',
    peak,
    main,
    'apply',
    at(`${name}.safetensors`),
    at(`${name}.ndiff`),
    '--in-place',
    '-q',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stderr.on('data', (piece) => {
    text += piece;
  });
  child.stdout.resume();
  expect(await once(child, 'close')).toEqual([0, null]);
  return 1_024 * Number(text.trim().split('\n').at(-1));
}

test('extra memory of apply is at most 16 MB for any model size, measured with 300 MB', async () => {
  await writeZeros('small', 2 ** 18);
  const small = await peakOf('small');
  await writeZeros('large', 75_000_000);
  const large = await peakOf('large');
  expect(large - small).toBeLessThan(16e6);
});
