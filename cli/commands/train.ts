import { checkOutput, writeOutput } from '../../src/node/output.js';
import { budgetBytes, float32Bytes } from '../../src/payload/encode.js';
import { importTraining } from '../../src/recipe/import-training.js';
import type { DiffKind } from '../../src/recipe/options.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { checkSeed } from '../../src/train/random.js';
import type { TrainedDiff } from '../../src/train/train-diff.js';
import { type CommonFlags, formatShare, type Io, printResult, remark } from '../io.js';
import { TrainingProgress } from '../progress.js';
import { describeTrained } from '../trained.js';
import { baseOf, optionsOf, readBase, type TrainingFlags } from '../training.js';

/** Flags of `neural-diff train`. */
export interface TrainFlags extends CommonFlags, TrainingFlags {
  readonly kind: DiffKind;
  readonly budget: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly seed?: number;
}

/** Trains a diff of a model on disk, by a recipe, and writes its payload. */
export async function runTrain(flags: TrainFlags, io: Io): Promise<void> {
  await checkOutput(flags.out, { force: flags.force });
  const base = baseOf(flags);
  const baseFacts = await readBase(base, io);
  const { seed = baseFacts.seed } = flags;
  await loadRecipe(flags.recipe);
  const { trainByRecipe } = await importTraining();
  const bytes = budgetBytes(flags.budget, baseFacts.tensors);
  checkSeed(seed);
  if (flags.dryRun) {
    const json = {
      dryRun: true,
      kind: flags.kind,
      base: baseFacts.fingerprint,
      budgetBytes: bytes,
      seed,
      out: flags.out,
    };
    const share = formatShare(bytes / float32Bytes(baseFacts.tensors));
    const lines = [
      `base    ${baseFacts.fingerprint}, ${baseFacts.weights} weights`,
      `budget  ${bytes} bytes, ${share} of the float32 model`,
      `would train a ${flags.kind} diff by ${flags.recipe} with seed ${seed} and write ${flags.out}`,
    ];
    printResult(io, flags, { json, lines });
    return;
  }
  const progress = new TrainingProgress(io, flags);
  const { kind, recipe, budget, backend } = flags;
  const trained = await trainByRecipe(
    { kind, ...base, recipe, budget, seed, backend, options: optionsOf(flags) },
    { signal: io.signal, onStep: (report) => progress.step(report) },
  );
  progress.finish();
  await writeOutput(flags.out, trained.payload, { force: flags.force });
  printTrained({ ...trained, seed }, flags, io);
}

function printTrained(trained: TrainedDiff & { seed: number }, flags: TrainFlags, io: Io): void {
  const { payload, share, metrics, seed, base, next } = trained;
  const { kind, out } = flags;
  const json = { kind, out, payloadBytes: payload.length, share, seed, base, next, metrics };
  const lines = describeTrained({ ...trained, payloadBytes: payload.length });
  printResult(io, flags, { json, lines });
  remark(io, flags, `wrote ${flags.out}`);
}
