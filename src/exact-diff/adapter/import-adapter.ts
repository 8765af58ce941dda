import { NeuralDiffError } from '../../model/errors.js';
import { floatsOf, isFloat } from '../../model/float16.js';
import type { Progress } from '../../model/progress.js';
import { copyModel, type WeightStore } from '../../model/store.js';
import {
  byteLength,
  canonicalOrder,
  compareNames,
  DTYPES,
  elementCount,
  type Tensor,
  type TensorInfo,
  totalBytes,
} from '../../model/tensor.js';
import { decodePayload } from '../../payload/decode.js';
import type { Meta, Op } from '../../payload/diff.js';
import { encodePayload, payloadBytes } from '../../payload/encode.js';
import { exactOps } from '../diff-stores.js';
import { openView } from '../match/cast.js';
import { sortTensors } from './adapter-tensors.js';
import { readConfig } from './config.js';
import { type Factors, narrow, type Precision, quantise, rmsOf } from './factor.js';
import { type MatchedAdapter, type MatchedPair, matchBase } from './match-base.js';
import { type ImportedTensor, measure } from './measure.js';
import { rotate, turn } from './rotate.js';

/** Options of `importAdapter`. */
export interface ImportOptions {
  /** The parsed `adapter_config.json`; adapters of kohya-ss and diffusers have none. */
  readonly config?: unknown;
  /** Bits of the levels of both matrices, the sign among them: 4 to 16. */
  readonly bits?: number | undefined;
  /**
   * Instead of `bits`: error that the levels may cause in each tensor's change, as a share of the change:
   * above 0, below 1. By default it is half of what rounding to the dtype of the base causes anyway, or what
   * the dtype of the adapter has caused, whichever is more.
   */
  readonly maxError?: number | undefined;
  /** Metadata of the payload; empty by default. */
  readonly meta?: Meta;
  readonly signal?: AbortSignal | undefined;
  /** Progress in bytes of the base. */
  readonly onProgress?: (progress: Progress<'measure'>) => void;
}

/** An adapter as a payload. */
export interface ImportedAdapter {
  readonly payload: Uint8Array;
  /** Fingerprints, as hexadecimal strings: of the base, and of the base with the adapter. */
  readonly base: string;
  readonly next: string;
  /** Tensors with products, in canonical order. */
  readonly tensors: readonly ImportedTensor[];
  /** Tensors that the adapter replaces, in canonical order. */
  readonly replaced: readonly string[];
}

/**
 * Makes a payload of a LoRA adapter: applied in place, it merges the adapter into the base; its reverse takes
 * the adapter out again, bit for bit.
 *
 * Reads PEFT, diffusers, kohya-ss and mlx names. The adapter is held in memory, the base is read in chunks.
 * Source: E. J. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
 *
 * @param adapter the adapter's tensors
 * @param base the model that it was trained for, with tensors of float32, float16 or bfloat16
 * @throws RangeError for options out of range; NeuralDiffError `unsupported-model` for DoRA and other
 *   adapters that are no sum of base and product, and for quantised bases; `wrong-layout` for tensors that
 *   the base does not have; `bad-model` for incomplete adapters; `limit-exceeded`
 *
 * @example
 * const adapter = await openModel('adapters/de/adapter_model.safetensors');
 * const base = await openModel('base.safetensors');
 * const config = JSON.parse(readFileSync('adapters/de/adapter_config.json', 'utf8'));
 * const { payload, tensors } = await importAdapter(adapter, base, { config });
 * console.log(payload.length, tensors.length);
 */
export async function importAdapter(
  adapter: WeightStore,
  base: WeightStore,
  options: ImportOptions = {},
): Promise<ImportedAdapter> {
  checkOptions(options);
  const sorted = sortTensors(adapter.tensors);
  if (sorted.needsConfig && options.config === undefined) throw noConfig();
  const scaling = options.config === undefined ? undefined : readConfig(options.config);
  const matched = matchBase(sorted, base.tensors, scaling?.isTransposed ?? false);
  const factors = new Map<string, Factors>();
  const products: Op[] = [];
  for (const pair of inOrder(matched.pairs)) {
    options.signal?.throwIfAborted();
    const { tensor } = pair;
    const scale = await readScale(adapter, pair, scaling?.scaleOf);
    const found = narrow(await readFactors(adapter, pair, scale));
    const precision = await precisionFor(found, { base, tensor, from: pair.pair.down.dtype }, options);
    const split = pair.isTransposed ? tensor.shape.length - 1 : 1;
    const op = quantise(tensor, split, { factors: rotate(found), precision });
    factors.set(tensor.name, found);
    if (op) products.push(op);
  }
  const replaced = await replaceOps(adapter, base, matched.whole);
  return pack(base, { factors, ops: [...replaced, ...products] }, { matched, options });
}

function checkOptions({ bits, maxError }: ImportOptions): void {
  if (bits !== undefined && maxError !== undefined)
    throw new RangeError('Cannot import adapter: expected either bits or an error, not both');
  if (bits !== undefined && !(Number.isInteger(bits) && bits >= 4 && bits <= 16))
    throw new RangeError(`Cannot import adapter: expected 4 to 16 bits, got ${bits}`);
  if (maxError !== undefined && !(maxError > 0 && maxError < 1))
    throw new RangeError(`Cannot import adapter: expected an error above 0 and below 1, got ${maxError}`);
}

function noConfig(): NeuralDiffError {
  const message =
    'Cannot import adapter: expected its adapter_config.json, which has the scale of the products';
  return new NeuralDiffError('bad-model', message);
}

function inOrder(pairs: readonly MatchedPair[]): MatchedPair[] {
  return [...pairs].sort((a, b) => compareNames(a.tensor.name, b.tensor.name));
}

/** Reads the floats of one of the adapter's tensors. */
async function readFloats(adapter: WeightStore, info: TensorInfo): Promise<Float32Array> {
  if (!isFloat(info.dtype)) {
    const message = `Cannot import adapter: expected "${info.name}" to be float32, float16 or bfloat16, got ${info.dtype}`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const bytes = new Uint8Array(byteLength(info));
  await adapter.readInto(info.name, 0, bytes);
  return floatsOf({ dtype: info.dtype, bytes });
}

/** @returns the factor of a pair's product: that of the configuration, or alpha over rank, 1 without alpha */
async function readScale(
  adapter: WeightStore,
  { pair, rank }: MatchedPair,
  scaleOf: ((module: string, rank: number) => number) | undefined,
): Promise<number> {
  if (pair.alpha === undefined) return scaleOf?.(pair.module, rank) ?? 1;
  const [alpha = Number.NaN] = await readFloats(adapter, pair.alpha);
  return alpha / rank;
}

/** Reads a pair as rows × columns of the base's tensor, the scale in the rows. */
async function readFactors(
  adapter: WeightStore,
  { pair, tensor, rank, isTransposed }: MatchedPair,
  scale: number,
): Promise<Factors> {
  const stored = [await readFloats(adapter, pair.down), await readFloats(adapter, pair.up)] as const;
  // Both as rank × inputs and rank × outputs.
  const inputs = pair.isSwapped ? turn(stored[0], rank) : Float64Array.from(stored[0]);
  const outputs = pair.isSwapped ? Float64Array.from(stored[1]) : turn(stored[1], rank);
  const [rows, columns] = isTransposed ? [inputs, outputs] : [outputs, inputs];
  const height = rows.length / rank;
  const width = elementCount(tensor) / height;
  const scaled = rows.map((value) => value * scale);
  return { rank, height, width, rows: turn(scaled, height), columns };
}

/** Root mean square of the rounding errors of values, as a share of them: uniform within half a unit. */
const RELATIVE_ROUNDING = { float32: 2 ** -15, float16: 2 ** -12, bfloat16: 2 ** -9 } as const;

/** Bits of fractions after the leading one. */
const FRACTION_BITS = { float32: 23, float16: 10, bfloat16: 7 } as const;

/** Windows of a tensor, and their elements, from which the rounding error of its dtype is estimated. */
const WINDOWS = 16;
const WINDOW_ELEMENTS = 2 ** 12;

type FloatDType = keyof typeof FRACTION_BITS;

async function precisionFor(
  factors: Factors,
  { base, tensor, from }: { base: WeightStore; tensor: TensorInfo; from: TensorInfo['dtype'] },
  { bits, maxError }: ImportOptions,
): Promise<Precision> {
  if (bits !== undefined) return { bits };
  const change = rmsOf(factors);
  if (maxError !== undefined) return { rms: maxError * change };
  const relative = RELATIVE_ROUNDING[from as FloatDType];
  return { rms: Math.max(relative * change, 0.5 * (await roundingOf(base, tensor))) };
}

/** @returns the root mean square of the errors of rounding to a tensor's dtype, at the size of its weights */
async function roundingOf(base: WeightStore, info: TensorInfo): Promise<number> {
  const dtype = info.dtype as FloatDType;
  const size = DTYPES[dtype].bytes;
  const elements = elementCount(info);
  const count = Math.min(WINDOW_ELEMENTS, elements);
  const bytes = new Uint8Array(count * size);
  let sum = 0;
  for (let i = 0; i < WINDOWS; i++) {
    const start = Math.floor(((elements - count) * i) / (WINDOWS - 1));
    await base.readInto(info.name, start * size, bytes);
    for (const bits of new Uint32Array(floatsOf({ dtype, bytes }).buffer)) {
      const exponent = (bits >>> 23) & 0xff;
      if (exponent < 0xff) sum += 2 ** (2 * (exponent - 127 - FRACTION_BITS[dtype])) / 12;
    }
  }
  return Math.sqrt(sum / (WINDOWS * count));
}

/** @returns ops that replace tensors of the base, exact or set, whichever are shorter for each */
async function replaceOps(
  adapter: WeightStore,
  base: WeightStore,
  pairs: MatchedAdapter['whole'],
): Promise<Op[]> {
  if (pairs.length === 0) return [];
  const same = pairs.map((pair) => ({ base: pair.base, next: pair.base }));
  const part = await copyModel(openView(base, same));
  const next = await copyModel(openView(adapter, pairs));
  const exact = exactOps(part, next);
  const ops = exact.map((op): Op => {
    const { bytes } = next.tensors.find(({ name }) => name === op.tensor) as Tensor;
    const set: Op = { kind: 'set', tensor: op.tensor, bytes };
    return payloadBytes(part.tensors, [op]) <= payloadBytes(part.tensors, [set]) ? op : set;
  });
  return [...ops.filter(({ kind }) => kind === 'exact'), ...ops.filter(({ kind }) => kind === 'set')];
}

/** Packs ops, reads them again, and measures what they make of the base. */
async function pack(
  base: WeightStore,
  made: { factors: ReadonlyMap<string, Factors>; ops: readonly Op[] },
  { matched, options }: { matched: MatchedAdapter; options: ImportOptions },
): Promise<ImportedAdapter> {
  const { meta = {}, signal, onProgress } = options;
  const blank = '00'.repeat(16);
  const facts = { base: blank, next: blank, tensors: base.tensors, meta };
  const { diff } = await decodePayload(await encodePayload(facts, made), base.tensors);
  const total = totalBytes(base.tensors);
  let done = 0;
  const { tensors, ...fingerprints } = await measure(base, {
    ops: diff.ops,
    factors: made.factors,
    signal,
    onBytes(bytes) {
      done += bytes;
      onProgress?.({ phase: 'measure', done, total });
    },
  });
  const payload = await encodePayload({ ...facts, ...fingerprints }, diff);
  const replaced = canonicalOrder(matched.whole.map((pair) => pair.base)).map(({ name }) => name);
  return { payload, ...fingerprints, tensors, replaced };
}
