import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyPayload } from 'neural-diff/apply';
import { openLiveModel, useBackend } from 'neural-diff/tfjs';
import { trainSparseDiff } from 'neural-diff/train';
import { makeGolden } from '../common/golden.js';
import { openTask, toArrays } from '../common/task.js';
import { saveModel, trainBase } from '../common/train-base.js';
import { BASE_WORDS, createWordModel, makeClips, WORDS } from './words.js';

/** A model in a folder and an update of it. */
export interface WordUpdate {
  readonly payload: Uint8Array;
  /** Fingerprint of the model that comes of it. */
  readonly next: string;
  /** Inputs with the updated model's outputs. */
  readonly golden: Uint8Array;
  readonly accuracy: { readonly base: number; readonly next: number };
  /** Bytes of the model's weights. */
  readonly modelBytes: number;
}

/** Trains a model of four words into a folder, and an update by two words: some ten seconds. */
export async function makeUpdate(folder: string): Promise<WordUpdate> {
  await useBackend('wasm');
  const untrained = createWordModel();
  const plan = { epochs: 6, learningRate: 3e-3, batchSize: 32, seed: 1 };
  await trainBase(untrained, makeClips(BASE_WORDS, 100, 'base'), plan);
  await saveModel(untrained, folder);
  untrained.dispose();
  const { model, task } = await openTask(folder);
  const train = toArrays(makeClips(WORDS.length, 80, 'train'), WORDS.length);
  const test = toArrays(makeClips(WORDS.length, 40, 'test'), WORDS.length);
  const { payload, next, metrics, share } = await trainSparseDiff({
    task,
    train,
    validation: test,
    budget: '2%',
    epochs: 16,
    batchSize: 32,
    seed: 1,
    fineTune: { epochs: 8, learningRate: 2e-3 },
  });
  await applyPayload(openLiveModel(model), payload);
  const golden = makeGolden(model, sampleClips());
  model.dispose();
  const { base, diff } = metrics;
  const accuracy = { base: base.accuracy as number, next: diff.accuracy as number };
  return { payload, next, golden, accuracy, modelBytes: Math.round(payload.length / share) };
}

/** @returns a clip of every word */
export function sampleClips(): number[][] {
  const { features, count } = makeClips(WORDS.length, 1, 'shown');
  const size = features.length / count;
  // Two decimals are enough, and make short files.
  const short = Array.from(features, (value) => Math.round(100 * value) / 100);
  return Array.from({ length: count }, (_, i) => short.slice(i * size, (i + 1) * size));
}

/** Writes clips for pages to show. */
export async function writeSamples(folder: string): Promise<void> {
  const clips = sampleClips().map((clip, i) => ({ word: WORDS[i], values: clip }));
  await writeFile(join(folder, 'clips.json'), JSON.stringify({ words: WORDS, clips }));
}
