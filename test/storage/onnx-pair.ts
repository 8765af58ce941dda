// A small classifier of token lists as ONNX, and its update: a model that runtimes run.

import { openContainer } from '../../src/containers/open-container.js';
import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Tensor } from '../../src/model/tensor.js';
import { joinPieces } from '../../src/payload/encode.js';
import { externalData, tensorProto } from '../containers/write-onnx.js';
import { onnxFile } from '../onnx/graphs.js';

const [TOKENS, WIDTH, CLASSES] = [200, 32, 3];

/** Files of a model by name, the main one first. */
export type OnnxFiles = Map<string, Uint8Array>;

/** A model and its update in files alike, and the payload between them. */
export interface OnnxPair {
  readonly base: OnnxFiles;
  readonly next: OnnxFiles;
  readonly payload: Uint8Array;
}

/** @param main name of the main file; with external data next to it, under `MAIN_data` */
export async function makeOnnxPair(main: string, isExternal: boolean): Promise<OnnxPair> {
  const [base, next] = [writeFiles(main, isExternal, 0), writeFiles(main, isExternal, 0.5)];
  const open = (files: OnnxFiles) => openContainer(openMemoryFiles(new Map(files)), main);
  return { base, next, payload: await joinPieces(await diffStores(await open(base), await open(next))) };
}

function writeFiles(main: string, isExternal: boolean, change: number): OnnxFiles {
  const parts: Uint8Array[] = [];
  let at = 0;
  const protoOf = (tensor: Tensor): Uint8Array => {
    const changed = { ...tensor, bytes: changeOf(tensor, change) };
    if (!isExternal || tensor.dtype !== 'float32') return tensorProto(changed);
    parts.push(changed.bytes);
    at += changed.bytes.length;
    return tensorProto(
      changed,
      externalData(`${main}_data`, at - changed.bytes.length, changed.bytes.length),
    );
  };
  const file = onnxFile(
    {
      inputs: { input_ids: ['batch', 'length'], attention_mask: ['batch', 'length'] },
      types: { input_ids: 7, attention_mask: 7 },
      weights: {
        embedding: { shape: [TOKENS, WIDTH] },
        kernel: { shape: [WIDTH, CLASSES] },
        axes: { shape: [1], values: [1], dtype: 'int64' },
      },
      nodes: [
        ['Gather', { inputs: ['embedding', 'input_ids'], outputs: ['tokens'] }],
        ['ReduceMean', { inputs: ['tokens'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } }],
        ['MatMul', { inputs: ['mean', 'kernel'], outputs: ['logits'] }],
      ],
      outputs: ['logits'],
    },
    protoOf,
  );
  const data = new Uint8Array(Buffer.concat(parts));
  return new Map([[main, file], ...(isExternal ? [[`${main}_data`, data] as const] : [])]);
}

/** Every seventh weight changes. */
function changeOf({ dtype, bytes }: Tensor, change: number): Uint8Array {
  if (dtype !== 'float32') return bytes;
  return new Uint8Array(
    new Float32Array(bytes.slice().buffer).map((x, i) => (i % 7 ? x : x + change)).buffer,
  );
}
