import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { WINDOW_FEATURES } from '../../../examples/streaming-keywords/frames.js';
import { type LiveFrame, openLiveRecogniser } from '../../../examples/streaming-keywords/live-recogniser.js';
import { createLiveStorage } from '../../../examples/streaming-keywords/live-storage.js';
import { createPlainEngine, createRecogniser } from '../../../examples/streaming-keywords/recogniser.js';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { fingerprint, sha256 } from '../../../src/model/fingerprint.js';
import { openMemoryStore } from '../../../src/model/store.js';
import type { Model } from '../../../src/model/tensor.js';
import type { Op } from '../../../src/payload/diff.js';
import { codeOf, expectSameModel, pack, seededFloats } from '../../support.js';
import { smallWeights, weightsOf } from './small-model.js';

beforeAll(() => tf.setBackend('cpu'));

const THRESHOLD = 0.2;

/** Changes weights of every part, so that each would show in the outputs. */
const OPS: readonly Op[] = ['words/gru/recurrent_kernel', 'full/dense3/kernel', 'arbitrator/dense2/bias'].map(
  (tensor) => ({
    kind: 'sparse',
    tensor,
    positions: Uint32Array.of(0),
    levels: Int16Array.of(3),
    scale: 0.25,
  }),
);

const windows = Array.from({ length: 60 }, (_, i) => seededFloats(i + 1, WINDOW_FEATURES).map((x) => 2 * x));

/** Runs as many turns of the thread as there are tasks ahead. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function open(model: Model, onFrame: (frame: LiveFrame) => void = () => {}) {
  const frames: LiveFrame[] = [];
  const live = await openLiveRecogniser(openMemoryStore(model), {
    threshold: THRESHOLD,
    pause: turn,
    onFrame(frame) {
      frames.push({ ...frame, probabilities: frame.probabilities.slice() });
      onFrame(frame);
    },
  });
  return { live, frames };
}

/** @returns what a recogniser gives whose weights become those of the next model before some frame */
function expectedOf(base: Model, next: Model, frames: readonly LiveFrame[]) {
  const weights = weightsOf(base);
  const recogniser = createRecogniser(createPlainEngine(weights), {
    classes: weights.get('words/output/bias')?.length as number,
    threshold: THRESHOLD,
  });
  let isNext = false;
  return frames.map(({ waiting, updates }, frame) => {
    if (updates > 0 && !isNext) for (const [name, values] of weightsOf(next)) weights.get(name)?.set(values);
    isNext = updates > 0;
    const result = recogniser.push(windows[frame] as Float32Array, waiting);
    return { frame, waiting, updates, ...result, probabilities: result.probabilities.slice() };
  });
}

test('LiveRecogniser applies a payload between two frames, drops none and keeps its state', async () => {
  const base = await smallWeights();
  const { payload, next } = await pack(base, { ops: OPS });
  const { live, frames } = await open(base);
  let update: Promise<{ fingerprint: string }> | undefined;
  for (const [i, window] of windows.slice(0, 40).entries()) {
    live.push(window);
    if (i === 20) update = live.apply(payload);
    if (i % 3 > 0) await turn();
  }
  const applied = await update;
  for (const window of windows.slice(40)) live.push(window);
  expect(applied?.fingerprint).toBe(await fingerprint(openMemoryStore(next)));
  await live.idle();
  expect(live.counts).toEqual({ received: windows.length, processed: windows.length });
  expect(frames.map(({ frame }) => frame)).toEqual(windows.map((_, i) => i));
  expect(new Set(frames.map(({ updates }) => updates))).toEqual(new Set([0, 1]));
  expect(frames).toEqual(expectedOf(base, next, frames));
  expect(frames.some(({ waiting }) => waiting > 0)).toBe(true);
  expectSameModel(await live.copyModel(), next);
});

test('LiveRecogniser recognises frames during the checks, and none between first write and verification', async () => {
  const base = await smallWeights();
  const { payload, next } = await pack(base, { ops: OPS });
  const phases: string[] = [];
  let phase = 'check';
  const { live, frames } = await open(base, ({ updates }) => phases.push(`${phase}, ${updates}`));
  const arrive = async (): Promise<void> => {
    live.push(windows[frames.length % windows.length] as Float32Array);
    await turn();
  };
  const seen = new Set<string>();
  // Digests that take some turns, so that frames arrive in every phase.
  const slow = async (bytes: Uint8Array): Promise<Uint8Array> => {
    for (let i = 0; i < 2; i++) await arrive();
    return sha256(bytes);
  };
  await live.apply(payload, {
    sha256: slow,
    onProgress(progress) {
      phase = progress.phase;
      seen.add(phase);
    },
  });
  phase = 'after';
  await live.idle();
  expect([...seen]).toEqual(['check', 'write', 'verify']);
  // A frame that waited may come before the caller hears that the model is verified.
  const odd = phases.filter((each) => !['check, 0', 'verify, 1', 'after, 1'].includes(each));
  expect(odd).toEqual([]);
  expect(phases).toContain('check, 0');
  expect(live.counts.processed).toBe(live.counts.received);
  expectSameModel(await live.copyModel(), next);
});

test.each([
  ['of another base', 'wrong-base', (_: Uint8Array, other: Uint8Array) => other],
  [
    'with a flipped bit',
    'corrupt-payload',
    (own: Uint8Array) => own.map((x, i) => (i === own.length >> 1 ? x ^ 1 : x)),
  ],
  ['that is cut off', 'corrupt-payload', (own: Uint8Array) => own.subarray(0, own.length - 1)],
  ['that is none', 'not-a-payload', () => new TextEncoder().encode('no payload')],
])('LiveRecogniser refuses a payload %s with %s, and goes on as it was', async (_, code, choose) => {
  const base = await smallWeights();
  const own = await pack(base, { ops: OPS });
  const other = await pack(await smallWeights(2), { ops: OPS });
  const { live, frames } = await open(base);
  for (const window of windows.slice(0, 20)) live.push(window);
  const refused = codeOf(() => live.apply(choose(own.payload, other.payload)));
  for (const window of windows.slice(20)) live.push(window);
  expect(await refused).toBe(code);
  await live.idle();
  expect(frames).toEqual(expectedOf(base, base, frames));
  expect(frames).toHaveLength(windows.length);
  expectSameModel(await live.copyModel(), base);
  // The stream can still be updated.
  expect((await live.apply(own.payload)).status).toBe('applied');
  expect((await live.apply(own.payload)).status).toBe('current');
});

test('LiveRecogniser restores what was written if the result cannot be verified', async () => {
  const base = await smallWeights();
  const { payload } = await pack(base, { ops: OPS });
  const { live, frames } = await open(base);
  let isWriting = false;
  const update = live.apply(payload, {
    sha256: async (bytes) => (isWriting ? new Uint8Array(32) : sha256(bytes)),
    onProgress({ phase }) {
      isWriting = phase !== 'check';
    },
  });
  for (const window of windows) live.push(window);
  expect(await codeOf(() => update)).toBe('storage-mismatch');
  await live.idle();
  expect(frames).toEqual(expectedOf(base, base, frames));
  expectSameModel(await live.copyModel(), base);
});

test('createLiveStorage() rolls a model on trial back', async () => {
  const base = await smallWeights();
  const { payload, next } = await pack(base, { ops: OPS });
  const { live } = await open(base);
  const storage = createLiveStorage(live);
  const terms = { base: '', next: '' };
  await storage.update(async (store) => void (await applyPayload(store, payload)), terms);
  expect(await storage.recover()).toBe('trial');
  expectSameModel(await live.copyModel(), next);
  expect(await storage.rollback()).toBe(true);
  expectSameModel(await live.copyModel(), base);
  expect([await storage.recover(), await storage.rollback()]).toEqual(['settled', false]);
});

test('openLiveRecogniser() refuses weights that are not float32', async () => {
  const { tensors } = await smallWeights();
  const half = tensors.map((tensor) => ({ ...tensor, dtype: 'int32' as const }));
  await expect(open({ tensors: half })).rejects.toThrow(/expected "[^"]+" to be aligned float32, got int32/);
});
