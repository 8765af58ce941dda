import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP_FEATURES } from '../../../examples/keyword-spotting/features.js';
import { synthesizeFeatures } from '../../../examples/keyword-spotting/speech.js';

const source = new URL('../../../examples/keyword-spotting/speech-worker.js', import.meta.url);

/** The engine looks for its data next to itself, so it has to stay where it is. */
const engineInPlace: Plugin = {
  name: 'engine-in-place',
  setup({ onResolve }) {
    onResolve({ filter: /^@echogarden\// }, ({ path }) => ({
      path: import.meta.resolve(path),
      external: true,
    }));
  },
};

let folder: string;
let workerUrl: URL;
/** Threads cannot load TypeScript, so the worker is built as it would be for use. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'speech-worker-'));
  const outfile = join(folder, 'speech-worker.mjs');
  const options: BuildOptions = { bundle: true, format: 'esm', platform: 'node', plugins: [engineInPlace] };
  await build({ ...options, entryPoints: [source.pathname], outfile });
  workerUrl = pathToFileURL(outfile);
});
afterAll(() => rm(folder, { recursive: true }));

const utterances = ['m1', 'Annie', 'steph'].flatMap((voice) =>
  ['yes', 'seven'].flatMap((word) =>
    ['en-us', 'en-029'].map((accent) => ({ word, accent, voice, rate: 160, pitch: 50 })),
  ),
);

describe('synthesizeFeatures()', () => {
  it('gives the same features with one worker and with two', async () => {
    const progress: number[] = [];
    const onProgress = (done: number) => progress.push(done);
    const one = await synthesizeFeatures({ utterances, seed: 1, workers: 1, onProgress });
    const two = await synthesizeFeatures({ utterances, seed: 1, workers: 2, workerUrl, onProgress });
    expect(one.length).toBe(utterances.length * CLIP_FEATURES);
    expect(two).toEqual(one);
    expect(progress).toEqual([4, 8, 12, 4, 8, 12]);
  });

  it('makes clips that differ', async () => {
    const features = await synthesizeFeatures({ utterances: utterances.slice(0, 4), seed: 1, workers: 1 });
    const clips = [0, 1, 2, 3].map((clip) =>
      features.slice(clip * CLIP_FEATURES, (clip + 1) * CLIP_FEATURES).join(),
    );
    expect(new Set(clips).size).toBe(4);
  });

  it('stops with the reason of the signal', async () => {
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    for (const workers of [1, 2]) {
      const { signal } = controller;
      const options = { utterances, seed: 1, workers, workerUrl, onProgress, signal };
      await expect(synthesizeFeatures(options)).rejects.toThrow('enough');
    }
  });

  it.each([1, 2])('passes on what went wrong with %i workers', async (workers) => {
    const unknown = { ...utterances[0]!, accent: 'xx-yy' };
    const options = { utterances: [unknown, utterances[4]!], seed: 1, workers, workerUrl };
    await expect(synthesizeFeatures(options)).rejects.toThrow('no voice "xx-yy+m1"');
  });

  it('refuses to work with no worker', async () => {
    await expect(synthesizeFeatures({ utterances, seed: 1, workers: 0 })).rejects.toThrow(RangeError);
  });
});
