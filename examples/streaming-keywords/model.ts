import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { FRAME_FEATURES, WINDOW_FEATURES } from './frames.js';
import { RouteLayer } from './route-layer.js';
import { WindowLayer } from './window-layer.js';

/** Numbers that a branch makes of a frame. */
const EMBEDDING = 32;

/** Units of the recurrent layer that both branches feed. */
const UNITS = 32;

/** Units of the layer from whose output the arbitrator scores a frame. */
const ARBITRATOR_UNITS = 4;

/** Units of a branch's two hidden layers; with `rank`, each kernel is a product of two matrices. */
export interface BranchShape {
  readonly units: number;
  readonly rank?: number | undefined;
}

/** The branch that is trained first, alone. */
export const DENSE: BranchShape = { units: 256 };

/** The branches that it becomes: as good as it is at a fifth of its computation, and a far smaller one. */
export const FULL: BranchShape = { units: 256, rank: 20 };
export const FAST: BranchShape = { units: 256, rank: 2 };

/** Which branches a network has, and what decides between two of them. */
export interface StreamNetwork {
  readonly branches: Readonly<Partial<Record<'full' | 'fast', BranchShape>>>;
  /** `given`: scores are an input. */
  readonly choice?: 'arbitrator' | 'given' | undefined;
  readonly classes: number;
  readonly seed: number;
}

/**
 * Creates a recogniser that is trained on whole streams. Inputs: `frames` [WINDOW_FRAMES - 1 + frames,
 * FRAME_FEATURES]; with two branches `load` [1], and `scores` [frames, 1] where these are given. Outputs:
 * class probabilities of each frame, and with two branches the route, as of `routeFrames`.
 */
export function createStreamModel(network: StreamNetwork): tf.LayersModel {
  const { branches, choice = 'arbitrator', classes } = network;
  const seed = createSeeds(network.seed);
  const frames = tf.input({ name: 'frames', shape: [null, FRAME_FEATURES] });
  const windows = new WindowLayer({ name: 'windows' }).apply(frames) as tf.SymbolicTensor;
  const made = Object.entries(branches).map(([name, shape]) => addBranch(windows, { name, ...shape }, seed));
  const recognise = (embedding: tf.SymbolicTensor): tf.SymbolicTensor => {
    const hidden = tf.layers
      .gru({ name: 'words/gru', units: UNITS, returnSequences: true, ...seededRecurrent(seed) })
      .apply(embedding) as tf.SymbolicTensor;
    const output = dense('words/output', classes, { seed: seed(), activation: 'softmax' });
    return output.apply(hidden) as tf.SymbolicTensor;
  };
  const [full, fast] = made as [tf.SymbolicTensor, tf.SymbolicTensor?];
  if (fast === undefined) return tf.model({ inputs: frames, outputs: recognise(full) });
  const load = tf.input({ name: 'load', shape: [1] });
  const given = tf.input({ name: 'scores', shape: [null, 1] });
  const scores = choice === 'given' ? given : addArbitrator(windows, seed);
  const inputs = choice === 'given' ? [frames, load, given] : [frames, load];
  const layer = new RouteLayer({ name: 'arbitrator/route', fastShare: fastShareOf(network) });
  const [embedding, route] = layer.apply([scores, load, full, fast]) as [
    tf.SymbolicTensor,
    tf.SymbolicTensor,
  ];
  return tf.model({ inputs, outputs: [recognise(embedding), route] });
}

type Activation = 'relu' | 'softmax' | 'linear' | 'tanh';

function dense(name: string, units: number, { seed, activation }: { seed: number; activation: Activation }) {
  const kernelInitializer = tf.initializers.glorotUniform({ seed });
  return tf.layers.dense({ name, units, activation, kernelInitializer });
}

function seededRecurrent(seed: () => number) {
  return {
    kernelInitializer: tf.initializers.glorotUniform({ seed: seed() }),
    recurrentInitializer: tf.initializers.glorotUniform({ seed: seed() }),
  };
}

function addBranch(
  windows: tf.SymbolicTensor,
  { name, units, rank }: BranchShape & { name: string },
  seed: () => number,
): tf.SymbolicTensor {
  let output = windows;
  const layers = [units, units, EMBEDDING];
  layers.forEach((size, i) => {
    const layer = `${name}/dense${i + 1}`;
    if (rank !== undefined) {
      const kernelInitializer = tf.initializers.glorotUniform({ seed: seed() });
      const factor = tf.layers.dense({
        name: `${layer}/factor`,
        units: rank,
        useBias: false,
        kernelInitializer,
      });
      output = factor.apply(output) as tf.SymbolicTensor;
    }
    const activation = i === layers.length - 1 ? 'tanh' : 'relu';
    output = dense(layer, size, { seed: seed(), activation }).apply(output) as tf.SymbolicTensor;
  });
  return output;
}

function addArbitrator(windows: tf.SymbolicTensor, seed: () => number): tf.SymbolicTensor {
  const first = dense('arbitrator/dense1', ARBITRATOR_UNITS, { seed: seed(), activation: 'relu' });
  const second = dense('arbitrator/dense2', 1, { seed: seed(), activation: 'linear' });
  return second.apply(first.apply(windows)) as tf.SymbolicTensor;
}

/** Multiplications that are added up in a frame. */
export interface FrameCosts {
  readonly full: number;
  readonly fast: number;
  readonly arbitrator: number;
  /** What runs in every frame, without the arbitrator. */
  readonly words: number;
}

/** @returns multiply-adds of the parts in a frame; 0 for those that a network lacks */
export function frameCosts({ branches, choice = 'arbitrator', classes }: StreamNetwork): FrameCosts {
  const { full, fast } = branches;
  const hasArbitrator = full !== undefined && fast !== undefined && choice === 'arbitrator';
  return {
    full: branchCost(full),
    fast: branchCost(fast),
    arbitrator: hasArbitrator ? WINDOW_FEATURES * ARBITRATOR_UNITS + ARBITRATOR_UNITS : 0,
    words: 3 * UNITS * (EMBEDDING + UNITS) + UNITS * classes,
  };
}

function branchCost(shape: BranchShape | undefined): number {
  if (shape === undefined) return 0;
  const { units, rank } = shape;
  const sizes = [WINDOW_FEATURES, units, units, EMBEDDING];
  return sizes.slice(1).reduce((sum, size, i) => {
    const before = sizes[i] as number;
    return sum + (rank === undefined ? before * size : rank * (before + size));
  }, 0);
}

function fastShareOf(network: StreamNetwork): number {
  const { full, fast, arbitrator, words } = frameCosts(network);
  return (fast + arbitrator + words) / (full + arbitrator + words);
}
