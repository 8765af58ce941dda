import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createResampler, drawPlacement, placeInClip, trimSilence } from './clip.js';
import { CLIP_FEATURES, createFeatureExtractor } from './features.js';
import { createSpeaker, type Speaker, type Utterance } from './speaker.js';

/** Threads that speak at once unless told otherwise. */
const DEFAULT_WORKERS = 2;

export interface SynthesisOptions {
  /** What to speak; the features come back in this order. */
  readonly utterances: readonly Utterance[];
  /** Fixes each clip's place in its second and its loudness. */
  readonly seed: number;
  /** Threads that speak at once, default 2; 1 speaks on this thread. The result does not depend on it. */
  readonly workers?: number;
  /** The worker's script, default the one next to this file. */
  readonly workerUrl?: URL;
  /** Called after each voice with the clips made so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * All utterances of one voice: the unit of work, because a fresh speaker has to say the same words in the
 * same order.
 */
export interface VoiceTask {
  readonly utterances: readonly Utterance[];
  readonly seed: number;
}

/** The utterances of one voice. */
export interface Group {
  readonly task: VoiceTask;
  /** Where each utterance stands among all. */
  readonly indices: readonly number[];
}

/**
 * Speak words and turn each into log-mel features of one second.
 *
 * @param options what to speak, seed, threads
 * @returns the clips' features one after another, `CLIP_FEATURES` numbers each
 * @throws the signal's reason if aborted; Error for an accent that espeak-ng does not have
 */
export async function synthesizeFeatures(options: SynthesisOptions): Promise<Float32Array> {
  const { utterances, onProgress, signal } = options;
  const workers = options.workers ?? DEFAULT_WORKERS;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new RangeError(`Cannot synthesise speech: expected workers to be 1 or more, got ${workers}`);
  }
  const groups = groupByVoice(options);
  const result = new Float32Array(utterances.length * CLIP_FEATURES);
  let done = 0;
  const place = (group: Group, features: Float32Array) => {
    group.indices.forEach((index, position) => {
      const start = position * CLIP_FEATURES;
      result.set(features.subarray(start, start + CLIP_FEATURES), index * CLIP_FEATURES);
    });
    done += group.indices.length;
    onProgress?.(done, utterances.length);
  };
  signal?.throwIfAborted();
  if (workers === 1) await speakHere(groups, place, signal);
  else await speakInWorkers(groups, place, { ...options, workers: Math.min(workers, groups.length) });
  return result;
}

/** @returns the utterances of each voice, voices in the order of their first */
export function groupByVoice({ utterances, seed }: Pick<SynthesisOptions, 'utterances' | 'seed'>): Group[] {
  const indices = new Map<string, number[]>();
  utterances.forEach(({ voice }, index) => {
    const known = indices.get(voice);
    if (known) known.push(index);
    else indices.set(voice, [index]);
  });
  return [...indices.values()].map((own) => ({
    indices: own,
    task: { seed, utterances: own.map((index) => utterances[index]!) },
  }));
}

/**
 * Prepare to speak on this thread, one voice after another.
 *
 * @param place where a word sits in its second and how loud it is, by default at random
 * @returns a function from a task to the clips of its utterances, one after another
 */
export function createClipMaker(place = drawPlacement): (task: VoiceTask) => Promise<Float32Array[]> {
  const resamplers = new Map<number, ReturnType<typeof createResampler>>();
  // While one speaker is held, the next one finds the engine's machine code already optimised.
  let speak: Speaker;
  return async ({ utterances, seed }) => {
    speak = await createSpeaker();
    return utterances.map((utterance) => {
      const { samples, sampleRate } = speak(utterance);
      const rate = playbackRate(sampleRate, utterance);
      const resample = resamplers.get(rate) ?? createResampler(rate);
      resamplers.set(rate, resample);
      const name = `${utterance.voice}/${utterance.accent}/${utterance.word}`;
      return placeInClip(trimSilence(resample(samples)), place(seed, name));
    });
  };
}

/**
 * Prepare to speak on this thread, one voice after another.
 *
 * @returns a function from a task to the features of its utterances, one after another
 */
export function createTaskRunner(): (task: VoiceTask) => Promise<Float32Array<ArrayBuffer>> {
  const extract = createFeatureExtractor();
  const makeClips = createClipMaker();
  return async (task) => {
    const features = new Float32Array(task.utterances.length * CLIP_FEATURES);
    const clips = await makeClips(task);
    clips.forEach((clip, index) => {
      features.set(extract(clip), index * CLIP_FEATURES);
    });
    return features;
  };
}

/** Rounded, because a resampler for a rate without common factors needs thousands of filters. */
function playbackRate(sampleRate: number, { playback = 1 }: Utterance): number {
  return Math.round((sampleRate * playback) / 50) * 50;
}

type Place = (group: Group, features: Float32Array) => void;

async function speakHere(groups: readonly Group[], place: Place, signal?: AbortSignal): Promise<void> {
  const run = createTaskRunner();
  for (const group of groups) {
    place(group, await run(group.task));
    signal?.throwIfAborted();
  }
}

async function speakInWorkers(
  groups: readonly Group[],
  place: Place,
  { workers = DEFAULT_WORKERS, workerUrl, signal }: SynthesisOptions,
): Promise<void> {
  const url = workerUrl ?? new URL('./speech-worker.js', import.meta.url);
  const threads = Array.from({ length: workers }, () => new Worker(url));
  const queue = groups.values();
  try {
    await Promise.all(
      threads.map(async (thread) => {
        for (const group of queue) place(group, await ask(thread, group.task, signal));
      }),
    );
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

async function ask(thread: Worker, task: VoiceTask, signal?: AbortSignal): Promise<Float32Array> {
  thread.postMessage(task);
  const [features] = await once(thread, 'message', signal ? { signal } : {});
  return features;
}
