import { CLIP_FEATURES } from './features.js';
import { createRandom, shuffled } from './random.js';

/** Labelled clips. Several sets may be views on one array: read them, do not write. */
export interface Clips {
  /** `CLIP_FEATURES` numbers a clip: frames first, mel bands within a frame. */
  readonly features: Float32Array;
  /** Index of each clip's label among the data's labels. */
  readonly labels: Int32Array;
  /** Number of clips. */
  readonly count: number;
}

/** What a model is trained on and what it is tested on. */
export interface Split {
  readonly train: Clips;
  readonly test: Clips;
}

/** What a clip is and from which stage on it is known; stage 0 is the base model. */
export interface ClipFacts {
  readonly label: number;
  readonly stage: number;
  readonly split: 'train' | 'test';
}

/** The clips of all stages, as a source of sound delivers them. */
export interface StagedClips {
  /** The labels of all stages, those of earlier stages first. */
  readonly labels: readonly string[];
  /** How many stages there are. */
  readonly stages: number;
  readonly facts: readonly ClipFacts[];
  /** Features in the order of the facts. */
  readonly features: Float32Array;
}

/**
 * Split clips into what each stage trains and tests on: everything known so far.
 *
 * @param clips clips of all stages
 * @param seed fixes the order of the clips within a stage
 * @returns one split a stage; those of earlier stages are views on the last one's arrays
 */
export function splitStages(clips: StagedClips, seed: number): Split[] {
  const train = stagedPrefixes(clips, 'train', seed);
  const test = stagedPrefixes(clips, 'test', seed);
  return train.map((own, stage) => ({ train: own, test: test[stage]! }));
}

function stagedPrefixes(clips: StagedClips, split: ClipFacts['split'], seed: number): Clips[] {
  const order: number[] = [];
  const counts: number[] = [];
  for (let stage = 0; stage < clips.stages; stage += 1) {
    const own = clips.facts.flatMap((facts, index) => {
      return facts.stage === stage && facts.split === split ? [index] : [];
    });
    order.push(...shuffled(own, createRandom(seed, `order/${split}/${stage}`)));
    counts.push(order.length);
  }
  const all = gather(clips, order);
  return counts.map((count) => ({
    features: all.features.subarray(0, count * CLIP_FEATURES),
    labels: all.labels.subarray(0, count),
    count,
  }));
}

function gather(clips: StagedClips, order: readonly number[]): Clips {
  const features = new Float32Array(order.length * CLIP_FEATURES);
  order.forEach((index, position) => {
    const start = index * CLIP_FEATURES;
    features.set(clips.features.subarray(start, start + CLIP_FEATURES), position * CLIP_FEATURES);
  });
  const labels = Int32Array.from(order, (index) => clips.facts[index]!.label);
  return { features, labels, count: order.length };
}
