import { openAnyFile } from '../src/containers/open-container.js';
import { diffFiles } from '../src/exact-diff/diff-files.js';
import { concatBytes } from '../src/model/bytes.js';
import type { ErrorCode } from '../src/model/errors.js';
import { openMemoryFiles } from '../src/model/model-files.js';
import { copyModel } from '../src/model/store.js';
import type { Model, Tensor } from '../src/model/tensor.js';
import { joinPieces } from '../src/payload/encode.js';
import { MAX_STRUCTURE_BYTES } from '../src/payload/limits.js';
import { FilesForge, type ForgedTensor } from './forge-files.js';
import { seeded } from './golden-samples.js';
import { header, pack, type Refused, raw, seal } from './golden-seal.js';

const encoder = new TextEncoder();

/** @returns a safetensors file */
function safetensors({ tensors }: Model, note: string): Uint8Array {
  let at = 0;
  const entries = tensors.map(({ name, shape, bytes }) => {
    const offsets = [at, at + bytes.length];
    at += bytes.length;
    return [name, { dtype: 'F32', shape, data_offsets: offsets }];
  });
  const text = JSON.stringify({ __metadata__: { note }, ...Object.fromEntries(entries) });
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, text.length, true);
  return concatBytes([head, encoder.encode(text), ...tensors.map(({ bytes }) => bytes)]);
}

const kernel = seeded('kernel', 'float32', { shape: [6, 8], seed: 1 });
const bias = seeded('bias', 'float32', { shape: [4], seed: 2 });
const moved: Tensor = { ...kernel, bytes: kernel.bytes.map((byte, i) => (i % 8 === 0 ? byte ^ 1 : byte)) };
const grown: Tensor = {
  ...kernel,
  shape: [7, 8],
  bytes: concatBytes([kernel.bytes, seeded('', 'float32', { shape: [8], seed: 3 }).bytes]),
};

/** @returns sorted places of kept weights, row by row, as numbers of so many bytes */
function places(width: number, rows: number): Uint8Array {
  const numbers = Array.from({ length: 200 * rows }, (_, i) => (i % 200) * 7 + ((i * i) % 5));
  return Uint8Array.from(
    numbers.flatMap((number) => [0, 8, 16, 24].slice(0, width).map((at) => number >> at)),
  );
}

/** The files of two models, main files first, and paths of other files of the second. */
interface FilesSample {
  readonly base: ReadonlyMap<string, Uint8Array>;
  readonly next: ReadonlyMap<string, Uint8Array>;
  readonly others?: readonly string[];
}

const one = (model: Model, note: string): ReadonlyMap<string, Uint8Array> =>
  new Map([['m.safetensors', safetensors(model, note)]]);

/** Models whose payloads make files. */
const SAMPLES: Readonly<Record<string, FilesSample>> = {
  'kept-coded-new': {
    base: one({ tensors: [bias, kernel] }, 'the first release of a model, of two tensors'),
    next: one(
      { tensors: [moved, bias, seeded('scale', 'float32', { shape: [2], seed: 4 })] },
      'the second release of a model',
    ),
  },
  grown: {
    base: one({ tensors: [bias, kernel] }, 'v1'),
    next: one({ tensors: [bias, grown] }, 'v2'),
  },
  'structure-alone': {
    base: one({ tensors: [bias, kernel] }, ''),
    next: new Map([['other.bin', encoder.encode('no model, no model, no model; only a text')]]),
  },
  'structure-of-numbers': {
    base: one({ tensors: [bias, kernel] }, ''),
    next: new Map([
      [
        'places.bin',
        concatBytes([encoder.encode('places'), places(2, 4), encoder.encode('.'), places(4, 2)]),
      ],
      ['places-1.bin', places(1, 3)],
    ]),
    others: ['places-1.bin'],
  },
  'several-files': {
    base: one({ tensors: [bias, kernel] }, 'v1'),
    next: new Map([
      ...one({ tensors: [bias] }, 'v2'),
      ['texts/empty.txt', new Uint8Array(0)],
      ['texts/größe.txt', encoder.encode('words')],
    ]),
    others: ['texts/empty.txt', 'texts/größe.txt'],
  },
};

/** A payload that makes files, with what it makes them from. */
export interface MadeSample {
  readonly name: string;
  readonly payload: Uint8Array;
  readonly base: Model;
  /** Of the base's files. */
  readonly structure: Uint8Array;
  readonly next: FilesSample['next'];
  /** Fingerprint of the next model, and what is kept, coded and new of it. */
  readonly to: string;
  readonly facts: object;
}

/** Makes the payload of each sample. */
export async function makeFileSamples(): Promise<MadeSample[]> {
  const open = async (map: ReadonlyMap<string, Uint8Array>) => {
    const files = openMemoryFiles(map);
    const [main] = map.keys();
    return { files, store: (await openAnyFile(files, main as string)).store };
  };
  return Promise.all(
    Object.entries(SAMPLES).map(async ([name, { base, next, others = [] }]) => {
      const { store } = await open(base);
      const diff = await diffFiles(store, { ...(await open(next)), others });
      const structure = (await (await store.parts?.())?.structure(MAX_STRUCTURE_BYTES)) ?? new Uint8Array(0);
      const { made: _, ...facts } = diff.files;
      const payload = await joinPieces(diff);
      return { name, payload, base: await copyModel(store), structure, next, to: diff.next, facts };
    }),
  );
}

const model: Model = { tensors: [bias, kernel] };

const withRecords = (kinds: number[], record: Uint8Array, code: ErrorCode = 'corrupt-payload'): Refused => ({
  code,
  make: async () => {
    const values = Object.values({ ...(await header(model)), kinds });
    return { payload: await seal(pack('ndiff1'), pack(values), ...kinds.map(() => pack(record))), model };
  },
});

const refused = (forge: FilesForge, code?: ErrorCode): Refused => withRecords([9], forge.finish(), code);
const file = (path: string, bytes = 8) => ({ path, bytes });
const withFiles = (...paths: string[]): FilesForge =>
  new FilesForge()
    .files(paths.map((path) => file(path)))
    .base()
    .tensors([]);
const withTensors = (...tensors: ForgedTensor[]): FilesForge =>
  new FilesForge()
    .files([file('m', 100)])
    .base()
    .tensors(tensors);
const float = (...shape: number[]): ForgedTensor => ({ type: { code: 1, shape } });
const sound = new FilesForge()
  .files([file('m', 0)])
  .base()
  .tensors([])
  .finish();
const against = new FilesForge()
  .files([file('m', 8)])
  .base({ bytes: 20, digest: raw('00112233445566778899aabbccddeeff') })
  .tensors([]);

/** Records of files that every reader must refuse. */
export const REFUSED_FILES: Readonly<Record<string, Refused>> = {
  'files-after-another-record': withRecords([64, 9], sound),
  'files-twice': withRecords([9, 9], sound),
  'files-out-of-the-folder': refused(withFiles('../m'), 'unsafe-path'),
  'files-absolute': refused(withFiles('m', '/m'), 'unsafe-path'),
  'files-of-updates': refused(withFiles('m', 'a/m.undo'), 'unsafe-path'),
  'files-of-one-name': refused(withFiles('m', 'n', 'n')),
  'files-that-differ-in-case': refused(withFiles('m', 'M')),
  'files-one-a-folder-of-another': refused(withFiles('m', 'm/n')),
  'files-a-folder-in-another-case': refused(withFiles('m', 'M/n')),
  'files-of-dots-and-spaces': refused(withFiles('m', 'a/. .'), 'unsafe-path'),
  'files-of-updates-in-capitals': refused(withFiles('m', 'M.UNDO./n'), 'unsafe-path'),
  'files-path-of-1025-bytes': refused(new FilesForge().files([file('m'.repeat(1_025))]), 'limit-exceeded'),
  'files-path-not-utf-8': refused(new FilesForge().files([{ path: raw('6dff'), bytes: 8 }])),
  'files-4097': refused(new FilesForge().files([file('m')], 4_097), 'limit-exceeded'),
  'files-of-2-40-and-more': refused(
    new FilesForge().files([file('m', 2 ** 40 + 1)]).base(),
    'limit-exceeded',
  ),
  'files-structure-above-2-26': refused(
    new FilesForge()
      .files([file('m', 2 ** 26 + 1)])
      .base()
      .tensors([]),
    'limit-exceeded',
  ),
  'files-base-structure-above-2-26': refused(
    new FilesForge().files([file('m')]).base({ bytes: 2 ** 26 + 1, digest: new Uint8Array(16) }),
    'limit-exceeded',
  ),
  'files-65537-tensors': refused(
    new FilesForge()
      .files([file('m')])
      .base()
      .tensors([], 65_537),
    'limit-exceeded',
  ),
  'files-tensor-of-2-32-elements': refused(
    new FilesForge()
      .files([file('m', 2 ** 32)])
      .base()
      .tensors([{ type: { code: 5, shape: [2 ** 16, 2 ** 16] } }]),
  ),
  'files-tensors-beyond': refused(withTensors(float(26))),
  'files-gap-beyond': refused(withTensors({ gap: 97, ...float(1) })),
  'files-tensor-empty': refused(withTensors(float(0))),
  'files-dtype-15': refused(withTensors({ type: { code: 15, shape: [1] } })),
  'files-nine-dimensions': refused(withTensors(float(1, 1, 1, 1, 1, 1, 1, 1, 1)), 'limit-exceeded'),
  'files-source-below': refused(withTensors({ source: -1 })),
  'files-source-beyond': refused(withTensors({ source: 2 })),
  'files-match-of-nothing': refused(withFiles('m').distance(1, 8)),
  'files-match-before-the-first-byte': refused(withFiles('m').byte(109).distance(2, 4)),
  'files-match-beyond': refused(withFiles('m').byte(109).distance(1, 8)),
  'files-numbers-of-8-bytes': refused(withFiles('m').numbers(3, 1)),
  'files-numbers-beyond': refused(withFiles('m').numbers(1, 51)),
  'files-numbers-4097': refused(
    new FilesForge()
      .files([file('m', 5_000)])
      .base()
      .tensors([])
      .numbers(0, 4_097),
  ),
  'files-bytes-left-over': refused(withFiles('m').raw(raw('0102030405060708090a0b0c'))),
  'files-of-another-base': refused(against, 'wrong-base'),
  'files-in-place': withRecords([9], sound, 'needs-copy'),
};
