import { fingerprint, hex, totalElements } from '../src/index.js';
import type { RecipeOptions } from '../src/recipe/index.js';
import type { Io } from './io.js';
import { withModel } from './with-model.js';

/** Flags of the commands that train. */
export interface TrainingFlags {
  readonly base: string;
  readonly recipe: string;
  readonly epochs?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly backend: 'wasm' | 'cpu';
}

/** @returns the flags that come before a recipe's options */
export function optionsOf({ epochs, batchSize, learningRate }: TrainingFlags): RecipeOptions {
  return { epochs, batchSize, learningRate };
}

/** @returns what the command line says of a base model */
export function readBase(path: string, io: Io) {
  return withModel({ path }, async (store) => ({
    fingerprint: hex(await fingerprint(store, { signal: io.signal })),
    tensors: store.tensors,
    weights: totalElements(store.tensors),
  }));
}
