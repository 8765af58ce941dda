import { trainBase } from '../../examples/common/train-base.js';
import { bfloat16Bits } from '../../src/model/float16.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { Values } from '../../src/train/part.js';
import { takeBase } from '../../src/train/session.js';
import { arraysOf, prepare } from '../common/prepare.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';

/** A base, and what it becomes. */
export interface ModelPair {
  readonly name: string;
  readonly base: Model;
  readonly next: Model;
}

/** A keyword spotter, and how it may be trained on. */
async function prepareKeywords() {
  const { task, data } = await prepare(findTask('keywords'), { task: 'keywords', seed: 1, quick: true });
  const arrays = arraysOf(data.stages[1] as Stage, data.classes);
  const base = (await takeBase(task)).model;
  const tuned = async (epochs: number, learningRate: number): Promise<Model> => {
    const plan = { ...data.fineTuning, epochs, learningRate };
    return withValues(base, (await fineTune({ task, train: arrays.train, ...plan, seed: 1 })).weights);
  };
  return { data, base, tuned, light: () => tuned(1, 1e-5) };
}

/** Trains the keyword spotter, and on by little. */
export async function trainLight(): Promise<{ base: Model; next: Model }> {
  const { base, light } = await prepareKeywords();
  return { base, next: await light() };
}

/**
 * Trains the keyword spotter and what may follow it: fine-tunes, a cast one, the same again, another
 * training.
 */
export async function trainPairs(): Promise<ModelPair[]> {
  const keywords = await prepareKeywords();
  const { data, base, tuned } = keywords;
  const light = await keywords.light();
  const heavy = await tuned(data.fineTuning.epochs, data.fineTuning.learningRate);
  const other = data.createModel(2);
  await trainBase(other, (data.stages[0] as Stage).train, { ...data.baseTraining, seed: 2 });
  const retrained = withValues(
    base,
    valuesOf(
      other.getWeights().map((weight) => weight.dataSync() as Float32Array),
      base,
    ),
  );
  return [
    { name: 'light fine-tune', base, next: light },
    { name: 'heavy fine-tune', base, next: heavy },
    { name: 'light fine-tune, bfloat16', base: inHalves(base), next: inHalves(light) },
    { name: 'heavy fine-tune, bfloat16', base: inHalves(base), next: inHalves(heavy) },
    { name: 'no change', base, next: base },
    { name: 'retrained', base, next: retrained },
  ];
}

/** Weights of two models of one architecture come in the same order. */
function valuesOf(arrays: readonly Float32Array[], { tensors }: Model): Values {
  return new Map(tensors.map(({ name }, i) => [name, arrays[i] as Float32Array]));
}

/** @returns the model with some weights replaced */
export function withValues({ tensors }: Model, values: Values): Model {
  const replace = (tensor: Tensor): Tensor => {
    const array = values.get(tensor.name);
    return array ? { ...tensor, bytes: new Uint8Array(array.slice().buffer) } : tensor;
  };
  return { tensors: tensors.map(replace) };
}

/** @returns the model of float32 rounded to bfloat16 */
export function inHalves({ tensors }: Model): Model {
  const narrow = (tensor: Tensor): Tensor => {
    const bits = Uint16Array.from(new Float32Array(tensor.bytes.slice().buffer), bfloat16Bits);
    return { ...tensor, dtype: 'bfloat16', bytes: new Uint8Array(bits.buffer) };
  };
  return { tensors: tensors.map(narrow) };
}
