import type { defineRecipe } from 'neural-diff/sweep';
import { type FrameSet, loadStreams, STREAM_FRAMES, type StageSets } from './data.js';
import { FRAME_SECONDS } from './frames.js';
import { chooseThreshold, hearStreams, scoreStreams } from './measure.js';
import { createStreamModel, frameCosts } from './model.js';
import { networkOf } from './train-update.js';
import { createStreamLoss, routeLayerOf, toStreamArrays } from './training.js';
import { CLASSES } from './vocabulary.js';

type Recipe = ReturnType<typeof defineRecipe>;
type Stream = NonNullable<Recipe['stream']>;

/** The recogniser that the recipe updates. */
export const STREAM_NETWORK = networkOf(1);

/** Times of the full path in frames: of a fast thread, one that is too slow for it, and one far too slow. */
const LOADS = [0.5, 1.3, 1.6];

/** The output with the classes; the other one is the route. */
const WORDS = 'words/output';

/** Loads the streams of an update. */
export type StreamLoader = (seed: number) => Promise<StageSets>;

/**
 * Makes a recipe that teaches the recogniser new words and an accent, and that reports measure it by.
 *
 * @param load of streams; by default all those of the first update, which takes minutes
 */
export function createStreamRecipe(
  load: StreamLoader = loadUpdate,
): Required<Pick<Recipe, 'data' | 'loss' | 'metrics' | 'options' | 'stream'>> {
  const sets = loadOnce(load);
  return {
    data: async ({ seed }) => toArrays(await sets(seed)),
    loss: [...createStreamLoss()] as Recipe['loss'],
    metrics: { [WORDS]: 'accuracy' },
    options: {
      epochs: 6,
      batchSize: 8,
      outputs: [WORDS],
      dataMinutes: 30,
      fineTune: { epochs: 5, learningRate: 0.001 },
    },
    stream: createStream(sets),
  };
}

async function loadUpdate(seed: number): Promise<StageSets> {
  return (await loadStreams(seed))[1] as StageSets;
}

/** Streams of a seed are loaded once: words are spoken for minutes. */
function loadOnce(load: StreamLoader): StreamLoader {
  const loading = new Map<number, Promise<StageSets>>();
  return (seed) => {
    const found = loading.get(seed) ?? load(seed);
    loading.set(seed, found);
    return found;
  };
}

/** @returns the streams in the order of the model's inputs and outputs, with loads in turn */
function toArrays({ train, validation, test }: StageSets): Awaited<ReturnType<Recipe['data']>> {
  const model = createStreamModel(STREAM_NETWORK);
  const [first, second, third] = [train, validation, test].map((set) => toStreamArrays(model, set));
  model.dispose();
  return { train: first!, validation: second!, test: third!, labels: CLASSES };
}

function createStream(load: StreamLoader): Stream {
  const { full, fast, arbitrator, words } = frameCosts(STREAM_NETWORK);
  const flops = (branch: number): number => 2 * (branch + arbitrator + words);
  const branches = { full: flops(full), fast: flops(fast) };
  const inTime = branches.full / FRAME_SECONDS;
  return {
    frameSeconds: FRAME_SECONDS,
    threads: LOADS.map((load) => inTime / load),
    branches,
    async run({ model, flopsPerSecond, seed, signal }) {
      const { validation, test } = await load(seed);
      const layer = routeLayerOf(model);
      if (layer) layer.temperature = 0;
      const loads = [inTime / flopsPerSecond];
      const heard = hearStreams(model, validation, { loads });
      const { threshold } = chooseThreshold(heard.probabilities, validation);
      signal.throwIfAborted();
      const { probabilities, full } = hearStreams(model, test, { loads });
      return { routes: routesOf(full), metrics: metricsOf(probabilities, test, threshold) };
    },
  };
}

/** @returns for each stream, for each frame 0 for the full branch and 1 for the fast one */
function routesOf(full: Float32Array): Uint8Array[] {
  return Array.from({ length: full.length / STREAM_FRAMES }, (_, stream) => {
    const own = full.subarray(stream * STREAM_FRAMES, (stream + 1) * STREAM_FRAMES);
    return Uint8Array.from(own, (share) => 1 - share);
  });
}

function metricsOf(probabilities: Float32Array, set: FrameSet, threshold: number): Record<string, number> {
  const { hits, falseAlarms, edits, spoken } = scoreStreams(probabilities, set, threshold);
  const hours = (set.streams * STREAM_FRAMES * FRAME_SECONDS) / 3600;
  return {
    'hits, %': (100 * hits) / spoken,
    'false alarms an hour': falseAlarms / hours,
    'word errors, %': (100 * edits) / spoken,
  };
}
