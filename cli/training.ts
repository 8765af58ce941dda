import { fingerprint } from '../src/model/fingerprint.js';
import { openLayersStore } from '../src/model/layers-store.js';
import { totalElements } from '../src/model/tensor.js';
import { type BaseModel, openBase, seedFor } from '../src/recipe/open-base.js';
import type { RecipeOptions } from '../src/recipe/options.js';
import type { Io } from './io.js';

/** Flags of the commands that train. */
export interface TrainingFlags {
  readonly base: string;
  /** Paths of payloads with commas between; several, one after the other. */
  readonly chain?: string | readonly string[];
  readonly recipe: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly backend: 'wasm' | 'cpu';
}

/** @returns the flags that come before a recipe's options */
export function optionsOf({ epochs, batchSize, learningRate }: TrainingFlags): RecipeOptions {
  return { epochs, batchSize, learningRate };
}

/**
 * @param name the flag
 * @param text its value: items with commas between
 * @throws RangeError for an item that is empty
 */
export function listOf(name: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  if (items.every((item) => item !== '')) return items;
  throw new RangeError(`Cannot use ${name} "${text}": expected a list with commas`);
}

/** @returns the model that devices have, as the flags name it */
export function baseOf({ base, chain }: TrainingFlags): BaseModel {
  if (chain === undefined) return { base };
  const lists = typeof chain === 'string' ? [chain] : chain;
  return { base, chain: lists.flatMap((list) => listOf('chain', list)) };
}

/** @returns what the command line says of a base model, and the seed for diffs of it */
export async function readBase(model: BaseModel, io: Io) {
  const files = await openBase(model);
  try {
    const store = await openLayersStore(files);
    const found = await fingerprint(store, { signal: io.signal });
    const { tensors } = store;
    return { fingerprint: found, seed: seedFor(found), tensors, weights: totalElements(tensors) };
  } finally {
    await files.close();
  }
}
