import { createHash } from 'node:crypto';
import { digestOfRecipe } from '../src/recipe/farm/recipe-files.js';
import type { FlagsOf } from './command.js';
import type { TUNE_FLAGS } from './commands/tune.js';
import { UsageError } from './exit-codes.js';

type TuneFlags = FlagsOf<typeof TUNE_FLAGS>;

/** Default of `--knowledge`. */
export const KNOWLEDGE = '.neural-diff/knowledge.json';

/**
 * Refuses flags that an action of `tune` does not have.
 *
 * @param action as typed: `tune network`
 * @throws UsageError
 */
export function refuseFlags(flags: TuneFlags, others: readonly (keyof TuneFlags)[], action: string): void {
  const isGiven = (value: TuneFlags[keyof TuneFlags]): boolean =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  const unfit = others.find((name) => isGiven(flags[name]));
  if (unfit === undefined) return;
  const flag = `--${unfit.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new UsageError(`Cannot use ${flag} with "${action}": it is for other searches`);
}

/** @returns a digest of the model and of all files of the recipe, by which knowledge tells tasks apart */
export async function taskOf(fingerprint: string, recipe: string): Promise<string> {
  const hash = createHash('sha256')
    .update(fingerprint)
    .update(await digestOfRecipe(recipe));
  return hash.digest('hex').slice(0, 32);
}
