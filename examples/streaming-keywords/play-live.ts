import type { WeightStore } from 'neural-diff';
import type { ApplyResult } from 'neural-diff/apply';
import type { Spoken } from './data.js';
import { type Report, type Score, scoreStream } from './decode.js';
import { createFramer, FRAME_SAMPLES } from './frames.js';
import { type LiveFrame, openLiveRecogniser } from './live-recogniser.js';
import type { TestSound } from './sound.js';

/** What became of sound during which a model was updated. */
export interface LivePlay {
  readonly received: number;
  readonly processed: number;
  /** Frames that arrived and were not recognised exactly once and in order. */
  readonly dropped: number;
  /** Frames that were recognised while the payload was checked, and most that waited at once. */
  readonly whileChecked: number;
  readonly mostWaiting: number;
  /** Milliseconds from the call to the verified model. */
  readonly updateMs: number;
  readonly applied: ApplyResult;
  /** What was heard of the first and of the second half of the sound. */
  readonly before: Score;
  readonly after: Score;
}

/** Milliseconds from one frame to the next during the update: a tenth of those of sound. */
const HURRIED_MS = 4;

/** Lets the thread do what else there is to do. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const nextHurried = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, HURRIED_MS));

/**
 * Plays sound to a recogniser, frame by frame, and applies a payload in its middle. Frames arrive as soon as
 * the one before was recognised; while the payload is checked and applied, ten times as fast as sound.
 *
 * @param store the base, which stays as it is
 */
export async function playLive(
  store: WeightStore,
  { samples, spoken }: TestSound,
  { payload, threshold, signal }: { payload: Uint8Array; threshold: number; signal?: AbortSignal },
): Promise<LivePlay> {
  const frames: LiveFrame[] = [];
  const onFrame = (frame: LiveFrame): void => void frames.push(frame);
  const live = await openLiveRecogniser(store, { threshold, onFrame, pause: nextTurn });
  const framer = createFramer();
  const half = samples.length / 2;
  let update: Promise<ApplyResult> | undefined;
  let isUpdating = false;
  let [checkedFrom, start, updateMs] = [0, 0, 0];
  for (let at = 0; at < samples.length; at += FRAME_SAMPLES) {
    signal?.throwIfAborted();
    if (at >= half && update === undefined) {
      isUpdating = true;
      [checkedFrom, start] = [frames.length, performance.now()];
      update = live.apply(payload).finally(() => {
        isUpdating = false;
        updateMs = performance.now() - start;
      });
      // A refusal is met where the update is awaited.
      update.catch(() => undefined);
    }
    for (const window of framer.push(samples.subarray(at, at + FRAME_SAMPLES))) live.push(window);
    await (isUpdating ? nextHurried() : live.idle());
  }
  const applied = (await update) as ApplyResult;
  await live.idle();
  const { received, processed } = live.counts;
  const inOrder = frames.filter(({ frame }, i) => frame === i).length;
  return {
    received,
    processed,
    dropped: received - inOrder,
    whileChecked: frames.filter(({ frame, updates }) => frame >= checkedFrom && updates === 0).length,
    mostWaiting: Math.max(...frames.map(({ waiting }) => waiting)),
    updateMs,
    applied,
    ...scoreHalves(frames, { spoken, middle: half / FRAME_SAMPLES }),
  };
}

function scoreHalves(
  frames: readonly LiveFrame[],
  { spoken, middle }: { readonly spoken: readonly Spoken[]; readonly middle: number },
): { before: Score; after: Score } {
  const reports = frames.flatMap(({ frame, word: label }): Report[] =>
    label === undefined ? [] : [{ label, frame }],
  );
  const score = (isOf: (frame: number) => boolean): Score =>
    scoreStream(
      reports.filter(({ frame }) => isOf(frame)),
      spoken.filter(({ first }) => isOf(first)),
    );
  return { before: score((frame) => frame < middle), after: score((frame) => frame >= middle) };
}
