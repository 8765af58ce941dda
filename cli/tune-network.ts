import { checkOutput } from '../src/node/output.js';
import { importWithTensorFlow } from '../src/recipe/import-training.js';
import { loadRecipe } from '../src/recipe/recipe.js';
import { invalidRecipe } from '../src/recipe/recipe-errors.js';
import { saveModel } from '../src/recipe/save-model.js';
import { spaceOf } from '../src/recipe/tune/network/network-space.js';
import type { NetworkTrial } from '../src/recipe/tune/network/search.js';
import type { NetworkDocument, TuneNetworkOptions } from '../src/recipe/tune/network/tune-network.js';
import { applyRules } from '../src/recipe/tune/rules.js';
import { checkSeed } from '../src/train/random.js';
import type { CommonFlags, FlagsOf } from './command.js';
import type { TUNE_FLAGS } from './commands/tune.js';
import { EXIT, UsageError } from './exit-codes.js';
import { alignColumns, countOf, formatSeconds, type Io, printResult, remark } from './io.js';
import { baseOf, readBase } from './training.js';
import { checkWorkers, readShare } from './values.js';

type TuneFlags = FlagsOf<typeof TUNE_FLAGS> & CommonFlags;

/** Flags that only payloads have. */
const OF_PAYLOADS = [
  ...(['maxBytes', 'maxGap', 'maxApplyMs', 'maxMemory', 'full', 'metric', 'work', 'keepWork'] as const),
  ...(['resume', 'queue', 'store'] as const),
];

/** Searches for a network that meets a limit, and writes it. @returns the exit status */
export async function tuneNetworks(flags: TuneFlags, io: Io): Promise<number> {
  const { recipe: path, out, force, backend, rule, workers, trials, epochs } = flags;
  const unfit = OF_PAYLOADS.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (unfit) throw new UsageError(`Cannot use "${unfit}" with "tune network": it is for payloads`);
  checkWorkers(workers);
  await checkOutput(out, { force });
  const { seed = (await readBase(baseOf(flags), io)).seed } = flags;
  checkSeed(seed);
  const recipe = await loadRecipe(path);
  if (recipe.network === undefined) throw invalidRecipe(path, 'expected an export "network"');
  const space = applyRules(spaceOf(recipe.network.choices), rule);
  if (flags.dryRun) {
    const json = { dryRun: true, choices: space.choices, out };
    const lines = space.choices.map(({ name, values }) => `choice  ${name}: ${values.join(', ')}`);
    printResult(io, flags, { json, lines: [...lines, `would write ${out}`] });
    return EXIT.done;
  }
  const { tuneNetwork } = await importWithTensorFlow(
    () => import('../src/recipe/tune/network/tune-network.js'),
  );
  const { model, document } = await tuneNetwork({
    ...limitOf(flags),
    ...{ recipe: path, base: flags.base, rules: rule, workers, trials, epochs, seed, backend },
    mode: flags.mode ?? 'multi-shot',
    signal: io.signal,
    onTrial: (trial) => {
      if (trial.epochs > 0) remark(io, flags, describeTrial(trial));
    },
  });
  await saveModel(model, out, { force });
  printResult(io, flags, { json: { out, ...document }, lines: describeFound(document) });
  remark(io, flags, `wrote ${out}`);
  return EXIT.done;
}

function limitOf({
  maxInferMs,
  maxInferShare,
}: TuneFlags): Pick<TuneNetworkOptions, 'maxInferMs' | 'maxInferShare'> {
  if ((maxInferMs === undefined) === (maxInferShare === undefined))
    throw new UsageError('Expected either --max-infer-ms or --max-infer-share');
  return {
    maxInferMs,
    maxInferShare: maxInferShare && readShare('share', maxInferShare),
  } as TuneNetworkOptions;
}

function describeTrial({ configuration, epochs, metrics, predictedMs, measuredMs }: NetworkTrial): string {
  const chosen = Object.entries(configuration).map(([name, value]) => `${name}=${value}`);
  const found = Object.entries(metrics ?? {}).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  const time = `${(measuredMs ?? predictedMs).toPrecision(3)} ms`;
  return [chosen.join(' '), countOf(epochs, 'epoch'), time, ...(found.length > 0 ? found : ['failed'])].join(
    '  ',
  );
}

function describeFound({ found, reference, prediction, layers, trials, spent }: NetworkDocument): string[] {
  const { configuration, share, measuredMs = 0, weights, multiplyAdds, metrics = {} } = found;
  const { rankCorrelation = Number.NaN, meanError, networks } = prediction;
  const ms = (value: number): string => `${value.toPrecision(3)} ms`;
  const table = alignColumns([
    ...Object.entries(configuration).map(([name, value]) => [name, String(value)]),
    ['time', `${ms(measuredMs)}, ${share.toFixed(2)} of ${ms(reference.milliseconds)}`],
    ['size', `${weights} weights, ${multiplyAdds} multiplications`],
    ...Object.entries(metrics).map(([name, value]) => [name, value.toPrecision(4)]),
  ]);
  return [
    ...table,
    `predicted ${countOf(networks, 'network')} from ${countOf(layers.length, 'layer')}: rank correlation ${rankCorrelation.toFixed(2)}, mean error ${(100 * meanError).toFixed(0)} %`,
    `looked at ${countOf(trials.length, 'network')}, trained ${countOf(spent.epochs, 'epoch')} in ${formatSeconds(spent.seconds)}`,
  ];
}
