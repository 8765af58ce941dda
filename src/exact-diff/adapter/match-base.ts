import { NeuralDiffError } from '../../model/errors.js';
import { isFloat } from '../../model/float16.js';
import { elementCount, type TensorInfo } from '../../model/tensor.js';
import { canCast } from '../match/cast.js';
import type { AdapterPair, AdapterTensors } from './adapter-tensors.js';

/** A pair and the tensor of the base that it changes. */
export interface MatchedPair {
  readonly pair: AdapterPair;
  readonly tensor: TensorInfo;
  readonly rank: number;
  /** Whether the base stores inputs × outputs: rows are then those of the lower matrix. */
  readonly isTransposed: boolean;
}

/** Which tensor of an adapter is for which of the base. */
export interface MatchedAdapter {
  readonly pairs: readonly MatchedPair[];
  readonly whole: readonly { readonly base: TensorInfo; readonly next: TensorInfo }[];
}

/** Names in problems that are listed. */
const MOST_LISTED = 8;

/** Finds a tensor of the base by the name of a module or of a tensor. */
type Lookup = (name: string) => TensorInfo | undefined;

/**
 * Finds the tensors that an adapter changes.
 *
 * Programs name a module from where they stand: `transformer.h.0.attn` in one is `h.0.attn` in a file. One
 * rule must hold for all names: they are equal, or those of the adapter have up to two components more at
 * the start, or those of the base have a common prefix.
 *
 * @param isTransposed whether modules store inputs × outputs
 * @throws NeuralDiffError `wrong-layout`, with all names that have no tensor, or one of another shape;
 *   `unsupported-model` for tensors that are no floats of 16 or 32 bits
 */
export function matchBase(
  adapter: AdapterTensors,
  base: readonly TensorInfo[],
  isTransposed: boolean,
): MatchedAdapter {
  const names = [...adapter.pairs.map(({ module }) => module), ...adapter.whole.map(({ name }) => name)];
  const lookups = namingRules(names[0] as string, base);
  const misses = lookups.map((lookup) => names.filter((name) => lookup(name) === undefined).length);
  const lookup = lookups[misses.indexOf(Math.min(...misses))] as Lookup;
  const problems = names.filter((name) => lookup(name) === undefined).map((name) => `"${name}": no tensor`);
  const quantized: string[] = [];
  const pairs = adapter.pairs.flatMap((pair): MatchedPair[] => {
    const tensor = lookup(pair.module);
    if (tensor === undefined) return [];
    if (!isFloat(tensor.dtype)) quantized.push(`"${tensor.name}" of ${tensor.dtype}`);
    const matched = matchPair(pair, tensor, isTransposed);
    if (typeof matched !== 'string') return [matched];
    problems.push(matched);
    return [];
  });
  const whole = adapter.whole.flatMap(({ name, info }) => {
    const tensor = lookup(name);
    if (tensor && !(sameShape(tensor.shape, info.shape) && canCast(info.dtype, tensor.dtype)))
      problems.push(`"${name}": ${info.dtype}[${info.shape}] in place of ${tensor.dtype}[${tensor.shape}]`);
    return tensor ? [{ base: tensor, next: info }] : [];
  });
  if (quantized.length > 0) throw isQuantized(quantized);
  if (problems.length > 0) throw mismatch(problems, names.length);
  checkTargets(pairs.map(({ tensor }) => tensor));
  checkTargets(whole.map((one) => one.base));
  return { pairs, whole };
}

/** @returns ways to find tensors by the names of an adapter, the likeliest first */
function namingRules(first: string, base: readonly TensorInfo[]): Lookup[] {
  const byName = new Map(base.map((info) => [info.name, info]));
  const flat = new Map(base.map((info) => [info.name.replaceAll('.', '_'), info]));
  const find: Lookup = (name) => byName.get(`${name}.weight`) ?? byName.get(name);
  const dropped = [1, 2].map(
    (count): Lookup =>
      (name) =>
        find(name.split('.').slice(count).join('.')),
  );
  const prefixes = base.flatMap(({ name }) =>
    [`.${first}.weight`, `.${first}`]
      .filter((end) => name.endsWith(end))
      .map((end) => name.slice(0, -end.length)),
  );
  const added = prefixes.map(
    (prefix): Lookup =>
      (name) =>
        find(`${prefix}.${name}`),
  );
  return [find, ...dropped, ...added, (name) => flat.get(`${name}_weight`)];
}

/** @returns the match, or what is wrong with the shapes */
function matchPair(pair: AdapterPair, tensor: TensorInfo, isTransposed: boolean): MatchedPair | string {
  const { module, isEmbedding, isSwapped } = pair;
  const [down, up] = [pair.down.shape, pair.up.shape].map((shape) =>
    isSwapped ? [...shape].reverse() : shape,
  );
  const [rank = 0, ...inputs] = down as number[];
  const [outputs = 0, upRank = 0, ...kernel] = up as number[];
  const turned = isEmbedding || (isTransposed && tensor.shape.length === 2);
  const expected = turned ? [...inputs, outputs] : [outputs, ...inputs];
  const isPair = rank > 0 && rank === upRank && kernel.every((size) => size === 1);
  if (isPair && elementCount(tensor) > 0 && sameShape(tensor.shape, expected))
    return { pair, tensor, rank, isTransposed: turned };
  return `"${module}": [${pair.down.shape}] and [${pair.up.shape}] for [${tensor.shape}]`;
}

/** Kernels of 1 × 1 may be left out: some programs have convolutions where others have matrices. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const [x, y] = [a, b].map((shape) => {
    const ones = [...shape].reverse().findIndex((size) => size !== 1);
    return shape.slice(0, Math.max(shape.length - Math.max(0, ones), Math.min(2, shape.length)));
  }) as [number[], number[]];
  return x.length === y.length && x.every((size, i) => size === y[i]);
}

function checkTargets(tensors: readonly TensorInfo[]): void {
  const seen = new Set<string>();
  const twice = tensors.find(({ name }) => seen.size === seen.add(name).size);
  if (twice === undefined) return;
  const message = `Cannot import adapter: two of its modules are for tensor "${twice.name}"`;
  throw new NeuralDiffError('bad-model', message);
}

function isQuantized(found: readonly string[]): NeuralDiffError {
  const message = `Cannot import adapter: expected tensors of float32, float16 or bfloat16 in the base, got ${listOf(found)}; take the base as it was before it was quantised`;
  return new NeuralDiffError('unsupported-model', message);
}

function mismatch(problems: readonly string[], count: number): NeuralDiffError {
  const message = `Cannot import adapter: ${problems.length} of its ${count} modules and tensors do not fit the base: ${listOf(problems)}; pass the base that it was trained for`;
  return new NeuralDiffError('wrong-layout', message, { facts: { problems: problems.length } });
}

function listOf(texts: readonly string[]): string {
  const more = texts.length - MOST_LISTED;
  return [...texts.slice(0, MOST_LISTED), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
