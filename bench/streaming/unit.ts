// One seed of the streaming recogniser: its variants, and updates of the amortized one.

import { parentPort, workerData } from 'node:worker_threads';
import { loadStreams, type StageSets } from '../../examples/streaming-keywords/data.js';
import { createStreamModel, frameCosts } from '../../examples/streaming-keywords/model.js';
import { setWeights } from '../../examples/streaming-keywords/training.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { digestOfWeights, keep } from '../common/keep.js';
import type { UnitMessage } from '../common/units.js';
import { evaluateStreams } from './evaluate.js';
import type { StreamUnit, StreamUnitResult, UpdateResult, VariantResult } from './result.js';
import { type Timed, timeFrames } from './time-frames.js';
import { energyLimit, networkOf, trainDense, trainVariant, type Weights } from './train-variant.js';
import { measureUpdates } from './updates.js';
import { AMORTIZED, DENSE_NAME, FULL_NAME, VARIANTS, type Variant } from './variants.js';

const unit = workerData as StreamUnit;
const say = (message: UnitMessage<StreamUnitResult>): void => parentPort?.postMessage(message);
/** What trained models follow from. */
const trained = { seed: unit.seed, quick: unit.quick };
const tell = (text: string): void => say({ type: 'progress', text: `seed ${unit.seed}: ${text}` });

/** Recognisers that are run frame by frame, too. */
const TIMED = [DENSE_NAME, FULL_NAME, AMORTIZED];

const PROGRAM = [new URL('./train-variant.js', import.meta.url)];

async function run(): Promise<StreamUnitResult> {
  await useBackend('wasm');
  const stages = await loadStreams(unit.seed, unit.quick ? 0.25 : 1);
  const [sets] = stages as [StageSets];
  tell('streams are ready');
  const { value: dense } = await keep({ what: 'stream-dense', programs: PROGRAM, inputs: trained }, () =>
    trainDense(sets, unit),
  );
  tell('the dense recogniser is trained');
  const train = async (variant: Variant): Promise<Weights> => {
    const inputs = { ...trained, variant, from: digestOfWeights(dense) };
    const source = { what: 'stream-variant', programs: PROGRAM, inputs };
    return (await keep(source, () => trainVariant(variant, dense, { ...unit, sets }))).value;
  };
  const variants: VariantResult[] = [];
  const timed: (Timed & { readonly variant: VariantResult })[] = [];
  for (const variant of VARIANTS) {
    const weights = await train(variant);
    const network = networkOf(variant, unit.seed);
    const model = createStreamModel(network);
    setWeights(model, weights);
    const threads = evaluateStreams(model, network, { sets, limit: energyLimit(sets.train) });
    const result = { name: variant.name, threads };
    variants.push(result);
    if (TIMED.includes(variant.name)) timed.push({ variant: result, model, costs: frameCosts(network) });
    else model.dispose();
    tell(`${variant.name}: ${(100 * (threads[0]?.frames as number)).toFixed(2)} % of the frames`);
  }
  for (const [i, times] of timeFrames(timed, sets.test).entries()) {
    const { variant, model } = timed[i] as (typeof timed)[number];
    variants[variants.indexOf(variant)] = { ...variant, times };
    model.dispose();
  }
  const updates = unit.updates ? await update(stages, await train(VARIANTS.at(-1) as Variant)) : [];
  return { seed: unit.seed, variants, updates };
}

function update(stages: readonly StageSets[], weights: Weights): Promise<UpdateResult[]> {
  return measureUpdates(VARIANTS.at(-1) as Variant, weights, { ...unit, stages, tell });
}

say({ type: 'result', result: await run() });
