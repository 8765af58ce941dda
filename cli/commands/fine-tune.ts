import { fingerprint } from '../../src/model/fingerprint.js';
import { checkOutput } from '../../src/node/output.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { checkSeed } from '../../src/train/random.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { TrainingProgress } from '../progress.js';
import { baseOf, optionsOf, readBase, type TrainingFlags } from '../training.js';

/** Flags of `neural-diff fine-tune`. */
export interface FineTuneFlags extends CommonFlags, TrainingFlags {
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly seed?: number;
}

/** Trains all weights of a model by a recipe, as `train` does before it trains a diff, and writes the model. */
export async function runFineTune(flags: FineTuneFlags, io: Io): Promise<void> {
  const { out, force, recipe, backend } = flags;
  await checkOutput(out, { force });
  const base = baseOf(flags);
  const facts = await readBase(base, io);
  const { seed = facts.seed } = flags;
  await loadRecipe(recipe);
  const { fineTuneByRecipe, writeFineTune } = await importTraining();
  checkSeed(seed);
  if (flags.dryRun) {
    const json = { dryRun: true, base: facts.fingerprint, seed, out };
    const lines = [
      `base  ${facts.fingerprint}, ${facts.weights} weights`,
      `would train all weights by ${recipe} with seed ${seed} and write ${out}`,
    ];
    printResult(io, flags, { json, lines });
    return;
  }
  const progress = new TrainingProgress(io, flags);
  const trained = await fineTuneByRecipe(
    { ...base, recipe, seed, backend, options: optionsOf(flags) },
    { signal: io.signal, onStep: (report) => progress.step(report) },
  );
  progress.finish();
  const next = await writeFineTune(base, trained, {
    out,
    force,
    use: async (store) => await fingerprint(store),
  });
  const { metrics } = trained;
  const json = { out, seed, base: facts.fingerprint, next, metrics };
  const lines = [
    `base  ${facts.fingerprint}`,
    `next  ${next}`,
    ...Object.entries(metrics).map(([name, value]) => `${name}: full ${value.toFixed(4)}`),
  ];
  printResult(io, flags, { json, lines });
  remark(io, flags, `wrote ${out}`);
}
