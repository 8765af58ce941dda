import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from 'neural-diff';
import { loadModel, useBackend } from 'neural-diff/tfjs';
import { predict as outputsOf } from '../common/golden.js';
import { createStream } from '../common/random.js';
import type { Job, PickedFile, Predictions } from './jobs.js';
import { openPicked } from './picked-files.js';

/** Examples that are made up where none come with the models. */
const EXAMPLES = 4;

/** Runs examples through both models: LayersModels with one input, as the page has no other runtime. */
export async function predict({
  base: first,
  next: second,
  inputs,
}: Extract<Job, { type: 'predict' }>): Promise<Predictions> {
  await useBackend('cpu');
  const [base, next] = [await load(first), await load(second)];
  const examples = inputs ?? makeInputs(base);
  return examples.map((input) => ({ base: outputsOf(base, input), next: outputsOf(next, input) }));
}

async function load(picked: readonly PickedFile[]): Promise<tf.LayersModel> {
  const { store, files, main } = await openPicked(picked);
  const { format } = (await store.outside?.()) ?? {};
  const model = format === 'tfjs' ? await loadModel(files, main) : undefined;
  if (model?.inputs.length === 1) return model;
  const found = model ? `a LayersModel with ${model.inputs.length} inputs` : `the format ${format}`;
  const message = `Cannot run the model here: expected a LayersModel of TensorFlow.js with one input, got ${found}`;
  throw new NeuralDiffError('unsupported-model', message);
}

/** @returns inputs with whole numbers for an embedding, else with values between -1 and 1 */
function makeInputs(model: tf.LayersModel): number[][] {
  const random = createStream(1);
  const [input] = model.inputs as [tf.SymbolicTensor];
  const size = input.shape.slice(1).reduce((a: number, b) => a * (b ?? 1), 1);
  const rows = model.layers.find((layer) => layer.getClassName() === 'Embedding')?.getConfig().inputDim;
  const value = (): number => (rows ? Math.floor(random() * Number(rows)) : 2 * random() - 1);
  return Array.from({ length: EXAMPLES }, () => Array.from({ length: size }, value));
}
