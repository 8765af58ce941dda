import { checkOutput, writeOutput } from '../src/node/output.js';
import { loadRecipe } from '../src/recipe/recipe.js';
import { advisePrecision } from '../src/report/measure/precision/advise-precision.js';
import type { CommonFlags, FlagsOf } from './command.js';
import type { TUNE_FLAGS } from './commands/tune.js';
import { EXIT } from './exit-codes.js';
import { type Io, printResult, remark } from './io.js';
import { measuringProgress } from './progress.js';
import { precisionLines } from './report-output.js';
import { chainOf } from './training.js';
import { refuseFlags } from './tune-search.js';
import { readShare } from './values.js';

type TuneFlags = FlagsOf<typeof TUNE_FLAGS> & CommonFlags;

/** Flags of other searches. */
const OF_OTHERS = [
  ...(['maxBytes', 'maxApplyMs', 'maxMemory', 'maxInferMs', 'maxInferShare', 'mode', 'rule'] as const),
  ...(['queue', 'store', 'workers', 'full', 'epochs', 'batchSize', 'only', 'freeze', 'metric'] as const),
  ...(['knowledge', 'work', 'keepWork', 'resume'] as const),
];

/** Finds the coarsest grids on which devices can store a model, and writes them. @returns the exit status */
export async function tunePrecision(flags: TuneFlags, io: Io): Promise<number> {
  const { base, recipe, backend, seed, out, force } = flags;
  refuseFlags(flags, OF_OTHERS, 'tune precision');
  const maxGap = readShare('gap', flags.maxGap ?? '0.3%');
  await checkOutput(out, { force });
  await loadRecipe(recipe);
  if (flags.dryRun) {
    const lines = [`would look for grids that together lose at most ${maxGap}, and write ${out}`];
    printResult(io, flags, { json: { dryRun: true, base, maxGap, out }, lines });
    return EXIT.done;
  }
  const progress = measuringProgress(io, flags);
  const { signal } = io;
  const model = { base, chain: chainOf(flags.chain) ?? [], recipe, seed, backend };
  const precision = await advisePrecision({
    ...model,
    maxGap,
    signal,
    onProgress: progress.report,
  }).finally(() => progress.finish());
  const text = `${JSON.stringify(precision, null, 2)}\n`;
  await writeOutput(out, new TextEncoder().encode(text), { force });
  printResult(io, flags, { json: { out, ...precision }, lines: precisionLines(precision) });
  remark(io, flags, `wrote ${out}`);
  return EXIT.done;
}
