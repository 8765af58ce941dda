import { isDType } from './dtype.js';
import { NeuralDiffError } from './errors.js';
import { checkInside } from './model-files.js';
import { asBytes, type StoredType, tensorOf } from './stored-type.js';
import { byteLength, checkTensorInfos, type TensorInfo } from './tensor.js';

/** What stored integers stand for: `scale * integer + min`. */
export interface AffineMap {
  readonly dtype: 'uint8' | 'uint16';
  readonly scale: number;
  readonly min: number;
}

/** Where a tensor lies in the byte stream that a manifest group's shards make when joined. */
export interface StreamedTensor extends TensorInfo {
  readonly group: number;
  /** Bytes before the tensor in its group's stream. */
  readonly start: number;
  readonly quantization?: AffineMap;
}

/** A group of a `weightsManifest`: shards that make one stream. */
export interface ManifestGroup {
  readonly paths: readonly string[];
  /** Bytes of all tensors in the group. */
  readonly byteLength: number;
}

/** What a `model.json` says of the weights. */
export interface LayersManifest {
  readonly groups: readonly ManifestGroup[];
  readonly tensors: readonly StreamedTensor[];
}

/**
 * Reads the weights manifest of a TensorFlow.js `model.json`.
 *
 * @param json the parsed file, from a stranger
 * @returns the groups and where each tensor lies
 * @throws NeuralDiffError `bad-model` for another structure, `unsupported-model` for texts as weights,
 *   `unsafe-path` for a shard outside the folder
 */
export function parseLayersManifest(json: unknown): LayersManifest {
  const groups: ManifestGroup[] = [];
  const tensors: StreamedTensor[] = [];
  for (const entry of list(field(json, 'weightsManifest'), 'weightsManifest')) {
    const paths = list(field(entry, 'paths'), 'paths').map(checkShardPath);
    let start = 0;
    for (const weight of list(field(entry, 'weights'), 'weights')) {
      const info = parseWeight(weight);
      tensors.push({ ...info, group: groups.length, start });
      start += byteLength(info);
    }
    groups.push({ paths, byteLength: start });
  }
  checkTensorInfos(tensors);
  const shards = groups.flatMap((group) => group.paths);
  if (new Set(shards).size !== shards.length) throw bad('Cannot read model.json: a shard is listed twice');
  return { groups, tensors };
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
    throw bad(`Cannot read model.json: expected a field "${key}"`);
  }
  return (value as Record<string, unknown>)[key];
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw bad(`Cannot read model.json: expected "${what}" to be a list`);
  return value;
}

function parseWeight(weight: unknown): TensorInfo & { quantization?: AffineMap } {
  const name = field(weight, 'name');
  const dtype = field(weight, 'dtype');
  const shape = list(field(weight, 'shape'), 'shape');
  if (
    typeof name !== 'string' ||
    !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
  ) {
    throw bad('Cannot read model.json: expected weights with a name and a shape of whole numbers');
  }
  const quantised = Object.hasOwn(weight as object, 'quantization') ? readQuantised(name, weight) : undefined;
  const type = quantised?.type ?? (typeof dtype === 'string' ? typeOf(dtype) : undefined);
  if (type === undefined) {
    throw new NeuralDiffError(
      'unsupported-model',
      `Cannot read tensor "${name}": unknown dtype "${String(dtype)}"`,
    );
  }
  const info = tensorOf(name, type, shape as number[]);
  checkTensorInfos([info]);
  return { ...info, ...(quantised?.map && { quantization: quantised.map }) };
}

/** Dtypes of manifests: those of TensorFlow.js but texts, and those of the format. */
function typeOf(dtype: string): StoredType | undefined {
  if (isDType(dtype)) return { dtype };
  if (dtype === 'bool') return { dtype: 'uint8' };
  return dtype === 'complex64' ? asBytes(8) : undefined;
}

/** @returns how quantised weights are stored, and what their integers stand for */
function readQuantised(name: string, weight: unknown): { type: StoredType; map?: AffineMap } {
  const quantization = field(weight, 'quantization');
  const dtype = field(quantization, 'dtype');
  if (dtype === 'float16') return { type: { dtype } };
  if (dtype !== 'uint8' && dtype !== 'uint16') {
    const message = `Cannot read tensor "${name}": it is quantised to "${String(dtype)}"`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const [scale, min] = [field(quantization, 'scale'), field(quantization, 'min')];
  if (!(Number.isFinite(scale) && (scale as number) > 0 && Number.isFinite(min)))
    throw bad(`Cannot read tensor "${name}": expected a quantisation with a scale above 0 and a min`);
  const map = { dtype, scale: scale as number, min: min as number } as const;
  return { type: dtype === 'uint8' ? { dtype } : asBytes(2), map };
}

function checkShardPath(path: unknown): string {
  if (typeof path !== 'string' || path === '')
    throw bad('Cannot read model.json: expected shard paths to be strings');
  if (path.toLowerCase() === 'model.json') throw bad('Cannot read model.json: it lists itself as a shard');
  return checkInside(path);
}

function bad(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}
