import { NeuralDiffError } from '../model/errors.js';
import { LAYERS_FILE, parseLayersManifest } from '../model/layers-store.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';
import { type EncodedFile, readPieces } from './encoded-file.js';
import { parseStrictJson } from './strict-json.js';

/** Size of a weight shard, as written by TensorFlow.js. */
const SHARD_BYTES = 2 ** 22;

/** An entry of a weights manifest. */
type Weight = Record<string, unknown> & { readonly name: string; readonly quantization?: ScaleMap };
type ScaleMap = Readonly<Record<'dtype' | 'scale' | 'min', unknown>>;

/** A tensor, and its range in the bytes of all shards. */
interface Streamed {
  readonly info: TensorInfo;
  readonly start: number;
  readonly end: number;
}

/**
 * Encodes a model as the files of a LayersModel or GraphModel: the same tensors by name, dtype, shape and
 * bytes, so the same fingerprint.
 *
 * @param store the model; read while the pieces are
 * @param topology a `model.json` of the same architecture: everything but the shards and scales of its
 *   manifest is kept; untrusted
 * @returns files by path
 * @throws NeuralDiffError `bad-model`, `unsupported-model` for the topology; `wrong-layout` where its
 *   weights are not the model's tensors
 */
export async function encodeLayers(
  store: WeightStore,
  topology: { readonly bytes: Uint8Array; readonly path: string },
): Promise<ReadonlyMap<string, EncodedFile>> {
  const { path } = topology;
  const json = parseStrictJson(topology.bytes, path) as { weightsManifest: { weights: Weight[] }[] };
  const { tensors } = parseLayersManifest(path, json);
  const given = json.weightsManifest.flatMap(({ weights }) => weights);
  checkSameTensors(store, [...tensors, ...given.filter(isMapped).map(mapOf)], path);
  const streamed: Streamed[] = [];
  let total = 0;
  for (const info of tensors) {
    streamed.push({ info, start: total, end: total + byteLength(info) });
    total += byteLength(info);
  }
  const files = new Map<string, EncodedFile>();
  const count = Math.max(1, Math.ceil(total / SHARD_BYTES));
  for (let i = 0; i < count; i++) {
    const range = { from: i * SHARD_BYTES, to: Math.min(total, (i + 1) * SHARD_BYTES) };
    const pieces = shardOf(store, streamed, range);
    files.set(`group1-shard${i + 1}of${count}.bin`, { bytes: range.to - range.from, pieces });
  }
  const weights = await Promise.all(given.map((weight) => withScale(store, weight)));
  const text = JSON.stringify({ ...json, weightsManifest: [{ paths: [...files.keys()], weights }] });
  const bytes = encodeUtf8(text);
  return files.set(LAYERS_FILE, { bytes: bytes.length, pieces: only(bytes) });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* shardOf(
  store: WeightStore,
  streamed: readonly Streamed[],
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<Uint8Array> {
  for (const { info, start, end } of streamed) {
    if (end <= from || start >= to) continue;
    yield* readPieces(store, info, { from: Math.max(from, start) - start, to: Math.min(to, end) - start });
  }
}

/** @returns whether integers of a weight stand for others, so that their scale is a tensor */
const isMapped = ({ quantization }: Weight): boolean =>
  quantization !== undefined && quantization.dtype !== 'float16';

const mapOf = ({ name }: Weight): TensorInfo => ({
  name: `${name}/quantization`,
  dtype: 'float64',
  shape: [2],
});

/** @returns an entry of the manifest with the model's scale and min */
async function withScale(store: WeightStore, weight: Weight): Promise<Weight> {
  if (!isMapped(weight)) return weight;
  const bytes = new Uint8Array(16);
  await store.readInto(mapOf(weight).name, 0, bytes);
  const [scale, min] = [0, 8].map((at) => new DataView(bytes.buffer).getFloat64(at, true));
  return { ...weight, quantization: { ...(weight.quantization as ScaleMap), scale, min } };
}

function checkSameTensors(store: WeightStore, expected: readonly TensorInfo[], path: string): void {
  const describe = ({ dtype, shape }: TensorInfo): string => `${dtype}[${shape}]`;
  const found = new Map(store.tensors.map((info) => [info.name, describe(info)]));
  for (const info of expected) {
    const met = found.get(info.name);
    found.delete(info.name);
    if (met === describe(info)) continue;
    throw wrongLayout(path, `expected tensor "${info.name}" as ${describe(info)}, got ${met ?? 'none'}`);
  }
  const [extra] = found.keys();
  if (extra !== undefined) throw wrongLayout(path, `it has no weights for tensor "${extra}"`);
}

function wrongLayout(path: string, what: string): NeuralDiffError {
  return new NeuralDiffError('wrong-layout', `Cannot use the topology of "${path}" for the model: ${what}`);
}
