import { DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import { elementsOf } from '../payload/delta/elements.js';
import type { Run } from '../payload/delta/line-fit.js';
import { chooseModel, type TensorModel } from '../payload/delta/models.js';
import { SHARED_BELOW } from '../payload/delta/segments.js';
import { SetTrial } from '../payload/encode-records.js';
import type { SparseHead } from '../payload/sparse-record.js';
import { HeadTrials } from '../payload/sparse-writer.js';
import { type BytePair, type DifferenceBuffers, differences } from './pairs.js';

/** A tensor that differs, with the number of changed elements. */
export interface ChangedTensor {
  readonly info: TensorInfo;
  readonly count: number;
}

/**
 * A changed tensor and its coding: `exact` codes positions and differences one by one, `set` the new elements
 * one by one, `delta` all elements with tables.
 */
export type CodedTensor = {
  readonly info: TensorInfo;
  /** Estimated size in bytes. */
  readonly bytes: number;
} & (
  | { readonly kind: 'exact'; readonly head: SparseHead }
  | { readonly kind: 'set' }
  | { readonly kind: 'delta'; readonly model: TensorModel }
);

export function isExact(tensor: CodedTensor): tensor is CodedTensor & { kind: 'exact' } {
  return tensor.kind === 'exact';
}

export function isDelta(tensor: CodedTensor): tensor is CodedTensor & { kind: 'delta' } {
  return tensor.kind === 'delta';
}

/** Share of changed elements from which positions are not tried, and up to which tables are not. */
const DENSE = 1 / 4;
const SPARSE = 1 / 64;

/** Fewest elements for which tables are tried. */
const LEAST_FOR_TABLES = 2 ** 10;

/** Most elements on which tables are tried. */
const MOST_FOR_TABLES = 2 ** 18;

/**
 * Tries all codings on pieces of a tensor, or on several small tensors that are to be coded alike, and
 * chooses the shortest; differences win ties.
 */
export class CodingTrial {
  readonly #tensors: readonly ChangedTensor[];
  readonly #small: ReadonlyMap<string, SmallTrial>;
  readonly #runs: Run[] = [];
  readonly #share: number;
  /** Whether the tensors have no segments of their own. */
  readonly #isShared: boolean;
  #tried = 0;
  #inTables = 0;

  /** @param tensors one, or several that may share segments of a delta record */
  constructor(tensors: readonly ChangedTensor[], buffers: DifferenceBuffers) {
    this.#tensors = tensors;
    const [count, elements] = [
      tensors.reduce((sum, tensor) => sum + tensor.count, 0),
      tensors.reduce((sum, { info }) => sum + elementCount(info), 0),
    ];
    this.#share = elements < LEAST_FOR_TABLES ? 0 : count / elements;
    this.#isShared = elementCount((tensors[0] as ChangedTensor).info) < SHARED_BELOW;
    this.#small = new Map(tensors.map((tensor) => [tensor.info.name, new SmallTrial(tensor, buffers)]));
  }

  /** @param info a piece, as a separate tensor */
  push(info: TensorInfo, pair: BytePair): void {
    if (this.#share < DENSE || this.#tensors.length > 1) this.#small.get(info.name)?.push(info, pair);
    const elements = elementCount(info);
    this.#tried += elements;
    if (this.#share < SPARSE || this.#inTables + elements > MOST_FOR_TABLES) return;
    this.#inTables += elements;
    const base = elementsOf(info, pair.before.slice());
    const next = elementsOf(info, pair.after.slice());
    const { form } = base;
    this.#runs.push({ pair: { base, next }, scope: { form, elements, first: 0, shape: info.shape } });
  }

  finish(): CodedTensor[] {
    const single = this.#share < DENSE || this.#tensors.length > 1 ? this.#codeOneByOne() : undefined;
    if (this.#runs.length === 0) return single as CodedTensor[];
    const { model, bits } = chooseModel(this.#isShared ? [joinRuns(this.#runs)] : this.#runs);
    const scale = this.#tried / this.#inTables / 8;
    const whole = this.#tensors.reduce((sum, { info }) => sum + elementCount(info), 0);
    const bytes = bits * scale * (whole / this.#tried);
    if (single !== undefined && single.reduce((sum, tensor) => sum + tensor.bytes, 0) <= bytes) return single;
    return this.#tensors.map(({ info }) => {
      return { kind: 'delta', info, model, bytes: (bytes * elementCount(info)) / whole };
    });
  }

  #codeOneByOne(): CodedTensor[] {
    return this.#tensors.map(({ info }) => (this.#small.get(info.name) as SmallTrial).finish());
  }
}

/** @returns one run of all elements */
function joinRuns(runs: readonly Run[]): Run {
  const { form } = (runs[0] as Run).scope;
  const elements = runs.reduce((sum, { scope }) => sum + scope.elements, 0);
  const join = (side: 'base' | 'next') => {
    const Words = (runs[0] as Run).pair[side].words.constructor as Uint32ArrayConstructor;
    const words = new Words(elements);
    let at = 0;
    for (const { pair } of runs) {
      words.set(pair[side].words, at);
      at += pair[side].words.length;
    }
    return { words, form };
  };
  return { pair: { base: join('base'), next: join('next') }, scope: { form, elements, first: 0 } };
}

/** Tries the codings that go element by element. */
class SmallTrial {
  readonly #tensor: ChangedTensor;
  readonly #buffers: DifferenceBuffers;
  readonly #heads: HeadTrials;
  readonly #set = new SetTrial();
  /** Elements tried, and how many of them differ. */
  #tried = 0;
  #changed = 0;

  constructor(tensor: ChangedTensor, buffers: DifferenceBuffers) {
    this.#tensor = tensor;
    this.#buffers = buffers;
    this.#heads = new HeadTrials(tensor.info, { kind: 'exact', scale: 1, count: tensor.count });
  }

  push(info: TensorInfo, { before, after }: BytePair): void {
    const elements = after.length / DTYPES[info.dtype].bytes;
    const values = differences(info, { before, after, first: 0 }, this.#buffers.atLeast(elements));
    this.#heads.add({ info, values });
    this.#set.add(info, after);
    this.#tried += elements;
    this.#changed += values.positions.length;
  }

  finish(): CodedTensor {
    const { info, count } = this.#tensor;
    const { head, bits } = this.#heads.best();
    const share = elementCount(info) / this.#tried;
    if (bits > this.#set.bits) return { kind: 'set', info, bytes: (this.#set.bits / 8) * share };
    // Scale by the changed elements, unless that would exceed the share of all elements.
    const changes = this.#changed > 0 ? Math.min(share, count / this.#changed) : share;
    return { kind: 'exact', info, head, bytes: (bits / 8) * changes };
  }
}
