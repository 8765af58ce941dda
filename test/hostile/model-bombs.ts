import { deflateRawSync } from 'node:zlib';
import type { FlatNode } from '../containers/flat-writer.js';
import { gguf, entry as ggufEntry, text, u32, u64 } from '../containers/write-gguf.js';
import { writeZip } from '../containers/write-npz.js';
import {
  externalData,
  field,
  node,
  nodeWith,
  onnxModel,
  tensorProto,
  varint,
} from '../containers/write-onnx.js';
import { withHeader } from '../containers/write-safetensors.js';
import { bufferOf, subgraph, tensorTable, tflite } from '../containers/write-tflite.js';
import { concat } from '../support.js';
import { groupOfDatasets, groupOfNodes, headerOfMessages, loopOfContinuations } from './hdf5-bombs.js';

/** A small model file that asks for much work. */
export interface Bomb {
  readonly name: string;
  readonly file: string;
  /** At most 200 kB. */
  readonly make: () => Uint8Array;
}

const encoder = new TextEncoder();
const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const repeat = (bytes: Uint8Array, count: number): Uint8Array => concat(...times(count, () => bytes));
const scalar = { name: '', dtype: 'uint8', shape: [] as number[], bytes: Uint8Array.of(1) } as const;

/** Parts of a FlatBuffer may be shared: one table stands for all. */
const same = (table: FlatNode, count: number): FlatNode[] => times(count, () => table);
const tensor = tensorTable({ ...scalar, name: 'a' }, 0);
const longName = (buffer: number): FlatNode => tensorTable({ ...scalar, name: 'n'.repeat(1_000) }, buffer);

const TFLITE: Record<string, () => Uint8Array> = {
  'one graph many times, one tensor many times': () =>
    tflite(same(subgraph(...same(tensor, 20_000)), 20_000), []),
  'few graphs with many tensors': () => tflite(same(subgraph(...same(tensor, 3_000)), 3_000), []),
  'one constant many times': () =>
    tflite(same(subgraph(...same(longName(1), 10_000)), 10_000), [bufferOf(scalar.bytes)]),
  'one buffer many times': () => tflite([subgraph(tensor)], same(bufferOf(scalar.bytes), 40_000)),
  'one name for many tensors': () =>
    tflite(
      [subgraph(...times(1_500, (i) => tensorTable({ ...scalar, name: 'a' }, i + 1)))],
      times(1_500, () => bufferOf(scalar.bytes)),
    ),
};

const nested = (depth: number, inner: Uint8Array): Uint8Array =>
  depth === 0 ? inner : nested(depth - 1, nodeWith(inner));
const attribute = (...parts: Uint8Array[]): Uint8Array => field(5, concat(...parts));

const ONNX: Record<string, () => Uint8Array> = {
  'fields of two bytes': () => onnxModel(repeat(Uint8Array.of(0x70, 0), 99_000)),
  'nodes without content': () => onnxModel(repeat(Uint8Array.of(0x0a, 0), 99_000)),
  'nodes deep inside': () => onnxModel(nested(16, repeat(Uint8Array.of(0x0a, 0), 98_000))),
  'numbers of ten bytes': () => onnxModel(repeat(concat([0x70], varint(2n ** 64n - 1n)), 18_000)),
  'initialisers without content': () => onnxModel(repeat(field(5, ''), 99_000)),
  'small initialisers': () =>
    onnxModel(...times(9_000, (i) => field(5, tensorProto({ ...scalar, name: i.toString(36) })))),
  'one tensor of many sizes': () => onnxModel(field(5, concat(field(2, 2), repeat(field(1, 1), 99_000)))),
  'one tensor of many numbers': () =>
    onnxModel(field(5, concat(field(2, 7), field(7, new Uint8Array(198_000))))),
  'tensors of many numbers': () =>
    onnxModel(
      ...times(180, (i) =>
        field(5, concat(field(1, 1_000), field(2, 7), field(8, `${i}`), field(7, new Uint8Array(1_000)))),
      ),
    ),
  'a tensor in many pieces': () => onnxModel(field(5, concat(field(2, 2), repeat(field(4, ''), 99_000)))),
  'many tensors in an attribute of a node with many inputs': () =>
    onnxModel(
      field(
        1,
        concat(
          repeat(field(1, ''), 40_000),
          attribute(
            repeat(field(10, field(2, 8)), 10_000),
            repeat(field(10, concat(field(2, 2), field(9, 'a'))), 8_000),
          ),
        ),
      ),
    ),
  'many attributes of a node with many inputs': () =>
    onnxModel(
      field(
        1,
        concat(
          repeat(field(1, ''), 40_000),
          repeat(attribute(field(5, concat(field(2, 2), field(9, 'a')))), 9_000),
        ),
      ),
    ),
  'many functions': () => concat(onnxModel(), repeat(field(25, field(1, 'f')), 30_000)),
  'functions with many names': () => concat(onnxModel(), field(25, repeat(field(1, ''), 98_000))),
  'many external files': () =>
    onnxModel(
      ...times(4_000, (i) => field(5, tensorProto({ ...scalar, name: `${i}` }, externalData(`f${i}`, 0)))),
    ),
  'many entries of external data': () =>
    onnxModel(field(5, concat(field(2, 2), repeat(field(13, ''), 98_000)))),
  'a chain of nodes': () =>
    onnxModel(
      ...times(3_000, (i) =>
        node('Relu', { inputs: [`${i}`], outputs: [`${i + 1}`], attributes: { a: 1, b: 2 } }),
      ),
    ),
};

const GGUF: Record<string, () => Uint8Array> = {
  'a list of empty texts': () =>
    gguf([], { entries: [ggufEntry('a', 9, concat(u32(8), u64(24_000), new Uint8Array(192_000)))] }),
  'lists of lists': () =>
    gguf([], {
      entries: [ggufEntry('a', 9, concat(u32(9), u64(15_000), repeat(concat(u32(0), u64(0)), 15_000)))],
    }),
  'a list longer than the file': () =>
    gguf([], { entries: [ggufEntry('a', 9, concat(u32(9), u64(190_000), new Uint8Array(190_000)))] }),
  'many keys': () => gguf([], { entries: times(10_000, (i) => concat(text(i.toString(36)), u32(7), [0])) }),
  'many tensors': () =>
    gguf(times(2_500, (i) => ({ name: `${i}`, sizes: [1], type: 24, bytes: Uint8Array.of(1) }))),
  'many tensors in one place': () =>
    gguf(
      times(5_000, (i) => ({ name: `${i}`, sizes: [1], type: 24, bytes: new Uint8Array(0), offset: 0 })),
      { tail: 1 },
    ),
};

const bombEntry = (name: string, dtype = 'U8', from = 0): string =>
  `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[1],"data_offsets":[${from},${from + 1}]}`;

const SAFETENSORS: Record<string, () => Uint8Array> = {
  'deep lists': () => withHeader(`{"a":${'['.repeat(99_000)}${']'.repeat(99_000)}}`),
  'many tensors': () =>
    withHeader(`{${times(3_000, (i) => bombEntry(`${i}`, 'U8', i)).join()}}`, new Uint8Array(3_000)),
  'many tensors in one place': () =>
    withHeader(`{${times(3_000, (i) => bombEntry(`${i}`)).join()}}`, new Uint8Array(1)),
  'many sizes': () =>
    withHeader(
      `{"a":{"dtype":"U8","shape":[1${',1'.repeat(99_000)}],"data_offsets":[0,1]}}`,
      new Uint8Array(1),
    ),
  'many keys': () =>
    withHeader(
      `{"__metadata__":{${times(20_000, (i) => `"${i}":1`).join()}},${bombEntry('a')}}`,
      new Uint8Array(1),
    ),
  'escapes in keys': () =>
    withHeader(`{"__metadata__":{"${'\\\\'.repeat(98_000)}":1},${bombEntry('a')}}`, new Uint8Array(1)),
};

const spaces = (bytes: number): Uint8Array => {
  const dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }";
  const header = encoder.encode(dictionary.padEnd(bytes));
  const magic = concat([0x93], encoder.encode('NUMPY'), [2, 0], u32(header.length));
  return concat(magic, header, [1]);
};

const zeros = (bytes: number): Uint8Array => {
  const text = encoder.encode(`{'descr': '|u1', 'fortran_order': False, 'shape': (${bytes},), }\n`);
  return concat([0x93], encoder.encode('NUMPY'), [2, 0], u32(text.length), text, new Uint8Array(bytes));
};

/** @returns an archive whose directory has one entry many times, under names of their own */
function sharedEntry(count: number): Uint8Array {
  const archive = writeZip(
    times(count, (i) => ({ name: `${String(i).padStart(5, '0')}.npy`, bytes: new Uint8Array(0), method: 0 })),
  );
  const view = new DataView(archive.buffer);
  for (let at = 0; at + 46 < archive.length; at++)
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 42, 0, true);
  return archive;
}

const NPZ: Record<string, () => Uint8Array> = {
  'entries that overlap': () => sharedEntry(2_000),
  'long headers, deflated': () => {
    const bytes = spaces(9_900);
    const stored = new Uint8Array(deflateRawSync(bytes));
    return writeZip(times(1_000, (i) => ({ name: `${i}.npy`, bytes, stored, crc: 0 })));
  },
  'much behind each header, deflated': () => {
    const bytes = zeros(1_000_000);
    const stored = new Uint8Array(deflateRawSync(bytes));
    return writeZip(times(170, (i) => ({ name: `${i}.npy`, bytes, stored, crc: 0 })));
  },
  'many megabytes, deflated': () => writeZip([{ name: 'a.npy', bytes: zeros(100_000_000) }]),
  'no directory': () => concat(encoder.encode('PK'), repeat(encoder.encode('PK\x05\x06'), 49_000)),
  'many entries': () =>
    writeZip(times(2_000, (i) => ({ name: `${i}`, bytes: new Uint8Array(0), method: 0 }))),
};

const weights = (count: number, shape: string): string =>
  times(count, (i) => `{"name":"${i}","dtype":"uint8","shape":${shape}}`).join();
const manifest = (paths: string, list: string): Uint8Array =>
  encoder.encode(`{"weightsManifest":[{"paths":[${paths}],"weights":[${list}]}]}`);

const TFJS: Record<string, () => Uint8Array> = {
  'many weights and many shards': () => manifest(times(9_000, (i) => `"${i}"`).join(), weights(2_500, '[0]')),
  'many weights without elements': () => manifest('', weights(4_500, '[0]')),
  'many groups': () =>
    encoder.encode(`{"weightsManifest":[${times(7_000, () => '{"paths":[],"weights":[]}').join()}]}`),
  'many sizes': () => manifest('', `{"name":"a","dtype":"uint8","shape":[0${',0'.repeat(98_000)}]}`),
};

const index = (entries: readonly string[]): Uint8Array =>
  encoder.encode(`{"weight_map":{${entries.join()}}}`);
const INDEX: Record<string, () => Uint8Array> = {
  'many shards': () => index(times(5_000, (i) => `"${i}":"${i}.safetensors"`)),
  'many tensors in one shard': () => index(times(8_000, (i) => `"${i}":"a.safetensors"`)),
};

const HDF5: Record<string, () => Uint8Array> = {
  'groups in one node': () => groupOfNodes({ children: 5_000, symbols: 800 }),
  'soft links in one node': () => groupOfNodes({ children: 5_000, symbols: 800, isSoft: true }),
  'empty nodes': () => groupOfNodes({ children: 6_000, symbols: 0 }),
  'continuations in a loop': () => loopOfContinuations(),
  'messages without content': () => headerOfMessages(24_000),
  'many datasets in one header': () => groupOfDatasets(2_000),
};

const FILES: readonly (readonly [string, Record<string, () => Uint8Array>])[] = [
  ['model.tflite', TFLITE],
  ['model.onnx', ONNX],
  ['model.gguf', GGUF],
  ['model.safetensors', SAFETENSORS],
  ['model.npz', NPZ],
  ['model.json', TFJS],
  ['model.safetensors.index.json', INDEX],
  ['model.h5', HDF5],
];

/** Small files of every format that ask for much work. */
export const BOMBS: readonly Bomb[] = FILES.flatMap(([file, bombs]) =>
  Object.entries(bombs).map(([name, make]) => ({ name: `${file}: ${name}`, file, make })),
);
