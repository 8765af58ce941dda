import { cpus } from 'node:os';
import type { TensorInfo } from '../src/model/tensor.js';
import { checkOutput } from '../src/node/output.js';
import { readBudget } from '../src/payload/encode.js';
import { importWithTensorFlow } from '../src/recipe/import-training.js';
import { loadRecipe } from '../src/recipe/recipe.js';
import { invalidRecipe } from '../src/recipe/recipe-errors.js';
import { saveModel } from '../src/recipe/save-model.js';
import { Knowledge, type TaskName } from '../src/recipe/tune/knowledge.js';
import { farmTrials, keepTrials } from '../src/recipe/tune/network/kept-trials.js';
import type { NetworkLimits } from '../src/recipe/tune/network/measure-space.js';
import { spaceOf } from '../src/recipe/tune/network/network-space.js';
import type { NetworkTrial } from '../src/recipe/tune/network/search.js';
import type { NetworkDocument } from '../src/recipe/tune/network/tune-network.js';
import { applyRules } from '../src/recipe/tune/rules.js';
import { checkSeed } from '../src/train/random.js';
import type { CommonFlags, FlagsOf } from './command.js';
import type { TUNE_FLAGS } from './commands/tune.js';
import { EXIT, UsageError } from './exit-codes.js';
import {
  alignColumns,
  countOf,
  formatBytes,
  formatSeconds,
  Interrupted,
  type Io,
  printResult,
  remark,
} from './io.js';
import { NetworkFolder } from './network-folder.js';
import { checkTrainer, openFarm } from './trainer.js';
import { baseOf, readBase } from './training.js';
import { KNOWLEDGE, refuseFlags, taskOf } from './tune-search.js';
import { readShare } from './values.js';
import { readVersion } from './version.js';

type TuneFlags = FlagsOf<typeof TUNE_FLAGS> & CommonFlags;

/** Flags of other searches, and of diffs. */
const OF_OTHERS = [
  ...(['maxGap', 'maxApplyMs', 'full', 'metric', 'chain', 'only', 'freeze', 'batchSize'] as const),
];

/** Searches for a network that meets limits, and writes it. @returns the exit status */
export async function tuneNetworks(flags: TuneFlags, io: Io): Promise<number> {
  const { recipe: path, out, force, rule } = flags;
  refuseFlags(flags, OF_OTHERS, 'tune network');
  checkTrainer(flags);
  checkLimits(flags);
  await checkOutput(out, { force });
  const facts = await readBase(baseOf(flags), io);
  const limits = limitsOf(flags, facts.tensors);
  const { seed = facts.seed } = flags;
  checkSeed(seed);
  const recipe = await loadRecipe(path);
  if (recipe.network === undefined) throw invalidRecipe(path, 'expected an export "network"');
  const choices = spaceOf(recipe.network.choices);
  const space = applyRules(choices, rule);
  if (flags.dryRun) {
    const json = { dryRun: true, choices: space.choices, out };
    const lines = space.choices.map(({ name, values }) => `choice  ${name}: ${values.join(', ')}`);
    printResult(io, flags, { json, lines: [...lines, `would write ${out}`] });
    return EXIT.done;
  }
  const task = await taskOf(facts.fingerprint, path);
  const search = { limits, seed, task, space: `network ${JSON.stringify(choices)}` };
  const { document, work } = await run(search, flags, io);
  printResult(io, flags, { json: { out, ...document }, lines: describeFound(document) });
  remark(io, flags, `wrote ${out}${flags.keepWork ? `, kept what was measured in ${work}` : ''}`);
  return EXIT.done;
}

/** A search that is ready to run. */
interface Ready extends TaskName {
  readonly limits: NetworkLimits;
  readonly seed: number;
}

/** Searches in a work folder, and writes the network. */
async function run({ limits, seed, ...name }: Ready, flags: TuneFlags, io: Io) {
  const { recipe, base, rule: rules, epochs, backend, trials, workers, out, force } = flags;
  const { mode = 'multi-shot', work = `${out}.tune`, knowledge: file = KNOWLEDGE } = flags;
  const { tuneNetwork } = await importWithTensorFlow(
    () => import('../src/recipe/tune/network/tune-network.js'),
  );
  const folder = new NetworkFolder(work, {
    ...{ mode, ...name, limits, seed, rules, epochs, backend },
    // Of other machines, times are other ones.
    ...{ version: readVersion(), processor: cpus()[0]?.model },
  });
  const times = await folder.open(flags);
  const knowledge = await Knowledge.open(file);
  const farm = await openFarm(flags, io);
  const store = await folder.store();
  let measured = times !== undefined;
  try {
    const { model, document, learnt } = await tuneNetwork({
      ...{ ...limits, recipe, base, rules, workers, trials, epochs, seed, backend, mode },
      known: knowledge.of(name),
      work: {
        times,
        async keepTimes(all) {
          measured = true;
          await folder.keepTimes(all);
        },
        runner: (local) => keepTrials(farm ? farmTrials(farm, readVersion()) : local, store),
      },
      signal: io.signal,
      onTrial: (trial) => {
        if (trial.epochs > 0) remark(io, flags, describeTrial(trial));
      },
    });
    if (learnt.length > 0) await knowledge.learn(name, learnt);
    await saveModel(model, out, { force });
    if (!flags.keepWork) await folder.remove();
    return { document, work };
  } catch (error) {
    if (io.signal.aborted && measured)
      throw new Interrupted(`interrupted; kept in ${work}: --resume goes on`);
    throw error;
  } finally {
    await farm?.queue.close();
  }
}

function checkLimits({ maxInferMs, maxInferShare }: TuneFlags): void {
  if ((maxInferMs === undefined) === (maxInferShare === undefined))
    throw new UsageError('Expected either --max-infer-ms or --max-infer-share');
}

/** @param tensors of the base, of whose size limits may be a share */
function limitsOf(flags: TuneFlags, tensors: readonly TensorInfo[]): NetworkLimits {
  const { maxInferMs, maxInferShare, maxBytes, maxMemory } = flags;
  return {
    maxInferMs,
    maxInferShare: maxInferShare === undefined ? undefined : readShare('share', maxInferShare),
    maxBytes: maxBytes === undefined ? undefined : readBudget(maxBytes, tensors),
    maxMemoryBytes: maxMemory === undefined ? undefined : readBudget(maxMemory, tensors),
  };
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
  const { configuration, share, measuredMs = 0, weights, multiplyAdds, memoryBytes, metrics = {} } = found;
  const { rankCorrelation = Number.NaN, meanError, networks } = prediction;
  const ms = (value: number): string => `${value.toPrecision(3)} ms`;
  const table = alignColumns([
    ...Object.entries(configuration).map(([name, value]) => [name, String(value)]),
    ['time', `${ms(measuredMs)}, ${share.toFixed(2)} of ${ms(reference.milliseconds)}`],
    ['size', `${weights} weights, ${multiplyAdds} multiplications, ${formatBytes(memoryBytes)} of memory`],
    ...Object.entries(metrics).map(([name, value]) => [name, value.toPrecision(4)]),
  ]);
  return [
    ...table,
    `predicted ${countOf(networks, 'network')} from ${countOf(layers.length, 'layer')}: rank correlation ${rankCorrelation.toFixed(2)}, mean error ${(100 * meanError).toFixed(0)} %`,
    `looked at ${countOf(trials.length, 'network')}, trained ${countOf(spent.epochs, 'epoch')} in ${formatSeconds(spent.seconds)}`,
  ];
}
