import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { loadRecipe, loadRecipeData } from '../../src/recipe/recipe.js';
import { createNetwork, networkOf } from '../../src/recipe/tune/network/create-network.js';
import { NETWORK_MODES, type NetworkMode } from '../../src/recipe/tune/network/search.js';
import { timeModels } from '../../src/recipe/tune/network/time-models.js';
import { planOf, trainAndMeasure } from '../../src/recipe/tune/network/train-network.js';
import { type NetworkDocument, tuneNetwork } from '../../src/recipe/tune/network/tune-network.js';
import { defaultOf } from '../../src/recipe/tune/space.js';
import { pairedGap, shareOf } from '../../src/report/interval.js';
import { useBackend } from '../../src/tfjs/backend.js';
import type { ArrayData } from '../../src/train/data.js';
import { flipsOf } from '../accuracy/hits.js';
import { type BenchResult, type Goal, printBench } from '../common/report.js';

const RECIPE = fileURLToPath(new URL('./keywords-recipe.js', import.meta.url));

const HAND_MADE = 'hand-made';

/** Longest inference that is allowed, as a share of the hand-made network's. */
const SHARE = 0.66;

/** The found network's time over the hand-made one's, at equal accuracy. */
const TIME_SHARE = 0.7;

/** Examples of the test set at once. */
const BATCH = 256;

const HELP = `Searches for keyword networks, next to the hand-made one (10 minutes).

  npm run -s bench -- tune --part network --json         a table on stderr, one JSON document on stdout
  npm run -s bench -- tune --part network --full         all data instead of a tenth
  npm run -s bench -- tune --part network --seeds 1,2
  npm run -s bench -- tune --part network --mode NAME    one mode (may be given again)
`;

/** Reads flags, runs the bench for networks, prints what came out, and ends. */
export async function runNetworkBench(): Promise<never> {
  const { values: flags } = parseArgs({
    options: {
      part: { type: 'string' },
      json: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      mode: { type: 'string', multiple: true },
      seeds: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (flags.help || flags.part !== 'network') {
    process.stdout.write(HELP);
    process.exit(flags.help ? 0 : 2);
  }
  const start = performance.now();
  const rows: Row[] = [];
  for (const seed of flags.seeds.split(',').map(Number)) {
    const modes = NETWORK_MODES.filter((mode) => flags.mode?.includes(mode) ?? true);
    const onProgress = (text: string): unknown => process.stderr.write(`${text}\n`);
    rows.push(...(await benchNetworks({ seed, full: flags.full, modes, onProgress })));
  }
  printBench({ bench: 'tune', seconds: (performance.now() - start) / 1000, rows, goals: [goalOf(rows)] });
  process.exit(0);
}

/** What the bench takes. */
interface NetworkBench {
  readonly seed: number;
  /** All data instead of a tenth. */
  readonly full: boolean;
  readonly modes: readonly NetworkMode[];
  readonly onProgress?: ((text: string) => unknown) | undefined;
}

/** A trained network, and which test examples it classifies correctly. */
interface Candidate {
  readonly name: string;
  readonly model: tf.LayersModel;
  readonly hits: Uint8Array;
  readonly validation: number;
  readonly document?: NetworkDocument;
  readonly seconds: number;
  readonly epochs: number;
}

/**
 * Searches keyword networks in all modes, next to the hand-made one with the same epochs. Networks are chosen
 * by validation data; the test set is measured once, at the end.
 */
async function benchNetworks(bench: NetworkBench): Promise<Row[]> {
  const { seed, full, modes, onProgress } = bench;
  if (full) process.env.KEYWORDS_FULL = '1';
  await useBackend('wasm');
  const recipe = await loadRecipe(RECIPE);
  const data = await loadRecipeData(RECIPE, recipe, { tf, seed, signal: new AbortController().signal });
  const test = data.test as { xs: tf.Tensor; ys: tf.Tensor };
  onProgress?.('the hand-made network');
  const candidates = [
    await trainHandMade(recipe, data as Parameters<typeof trainHandMade>[1], { seed, test }),
  ];
  for (const mode of modes) {
    onProgress?.(mode);
    candidates.push(await runMode(mode, { seed, test, onProgress }));
  }
  const { milliseconds, shares } = await timeModels(candidates.map(({ model }) => model));
  const rows = candidates.map((candidate, i) => ({
    seed,
    ...rowOf(candidate, candidates[0] as Candidate, { milliseconds: milliseconds[i], share: shares[i] }),
  }));
  for (const { model } of candidates) model.dispose();
  return rows;
}

async function trainHandMade(
  recipe: Awaited<ReturnType<typeof loadRecipe>>,
  data: Parameters<typeof trainAndMeasure>[1]['data'],
  { seed, test }: { seed: number; test: { xs: tf.Tensor; ys: tf.Tensor } },
): Promise<Candidate> {
  const started = performance.now();
  const network = networkOf(RECIPE, recipe);
  const { model } = createNetwork(network, defaultOf(network.space), { seed });
  const use = { path: RECIPE, recipe, options: recipe.options ?? {} };
  const plan = planOf({}, use);
  const { accuracy = 0 } = await trainAndMeasure(model, { use, data, ...plan, seed }, plan);
  const seconds = (performance.now() - started) / 1000;
  const hits = await hitsOf(model, test);
  return { name: HAND_MADE, model, hits, validation: accuracy, seconds, epochs: plan.epochs };
}

async function runMode(
  mode: NetworkMode,
  { seed, test, onProgress }: { seed: number; test: ArrayData } & Pick<NetworkBench, 'onProgress'>,
): Promise<Candidate> {
  const { model, document } = await tuneNetwork({
    recipe: RECIPE,
    mode,
    maxInferShare: SHARE,
    workers: 1,
    seed,
    onTrial: (trial) => {
      if (trial.epochs > 0) onProgress?.(`  ${JSON.stringify(trial)}`);
    },
  });
  const { layers, trials: _, ...summary } = document;
  onProgress?.(`  ${layers.length} layers, ${JSON.stringify(summary)}`);
  const { spent, found } = document;
  const hits = await hitsOf(model, test as Parameters<typeof hitsOf>[1]);
  return { name: mode, model, hits, validation: found.metrics?.accuracy ?? 0, document, ...spent };
}

/** @returns 1 for every example that is classified correctly */
async function hitsOf(
  model: tf.LayersModel,
  { xs, ys }: { xs: tf.Tensor; ys: tf.Tensor },
): Promise<Uint8Array> {
  const right = tf.tidy(() => {
    const outputs = model.predict(xs, { batchSize: BATCH }) as tf.Tensor;
    return tf.equal(tf.argMax(outputs, -1), tf.argMax(ys, -1));
  });
  const hits = Uint8Array.from(await right.data());
  right.dispose();
  return hits;
}

type Row = BenchResult['rows'][number];

function rowOf(
  { name, model, hits, validation, document, seconds, epochs }: Candidate,
  handMade: Candidate,
  { milliseconds, share }: { milliseconds: number | undefined; share: number | undefined },
): Row {
  const accuracy = shareOf(sumOf(hits), hits.length);
  const gap = pairedGap({ ...flipsOf(handMade.hits, hits), total: hits.length });
  return {
    network: name,
    seconds,
    epochs,
    weights: model.countParams(),
    'multiply-adds': document?.found.multiplyAdds ?? null,
    ms: milliseconds ?? null,
    share: share ?? null,
    validation,
    test: accuracy.value,
    low: accuracy.low,
    high: accuracy.high,
    gap: gap.value,
    'gap low': gap.low,
    'gap high': gap.high,
    'rank correlation': document?.prediction.rankCorrelation ?? null,
    'prediction error': document?.prediction.meanError ?? null,
    tests: hits.length,
  };
}

function sumOf(values: Uint8Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/**
 * Of each seed's network that is best on validation data, the share of the time; the mean over seeds, if none
 * is behind the hand-made network on test data by more than the interval.
 */
function goalOf(rows: readonly Row[]): Goal {
  const seeds = [...new Set(rows.map(({ seed }) => seed))];
  const chosen = seeds.map((seed) => {
    const found = rows.filter((row) => row.seed === seed && row.network !== HAND_MADE);
    return found.sort((a, b) => Number(b.validation) - Number(a.validation))[0] as Row;
  });
  const isEqual = chosen.every((row) => Number(row['gap low']) <= 0);
  const mean = chosen.reduce((sum, { share }) => sum + Number(share), 0) / chosen.length;
  return {
    id: 'tune.architecture.time-share',
    value: isEqual ? mean : null,
    goal: TIME_SHARE,
    better: 'lower',
  };
}
