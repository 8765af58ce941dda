import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { openFolder } from '../../src/node/folder.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel } from '../../src/tfjs/layers-files.js';
import { command, scratch } from '../cli/command.js';
import { seededFloats } from '../support.js';
import { diffFolders, patchInPlace, writeFiles } from './patched.js';
import { graphFiles, INPUT_SHAPE, layersFiles } from './tfjs-models.js';

beforeAll(() => useBackend('cpu'));

async function loadLayers(folder: string): Promise<tf.LayersModel> {
  const files = await openFolder(folder);
  const model = await loadModel(files);
  await files.close();
  return model;
}

/** Reads a GraphModel from disk as TensorFlow.js asks for it. */
function loadGraph(folder: string): Promise<tf.GraphModel> {
  const read = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(folder, path)));
  const json = JSON.parse(new TextDecoder().decode(read('model.json')));
  const load = (): Promise<tf.io.ModelArtifacts> =>
    tf.io.getModelArtifactsForJSON(json, async (manifest) => {
      const parts = manifest.flatMap(({ paths }) => paths.map((path) => read(path).buffer));
      return [manifest.flatMap(({ weights }) => weights), parts];
    });
  return tf.loadGraphModel({ load });
}

const KINDS = [
  { kind: 'a LayersModel', load: loadLayers, filesOf: layersFiles },
  { kind: 'a GraphModel', load: loadGraph, filesOf: async (seed: number) => graphFiles(seed) },
];

describe.each(KINDS)('TensorFlow.js', ({ kind, load, filesOf }) => {
  const root = scratch();
  const at = (name: string): string => join(root, name);

  /** @returns what a model makes of several batches, bit for bit */
  async function outputsOf(name: string): Promise<Uint8Array[]> {
    const model = await load(at(name));
    const outputs = [1, 2, 3].map((seed) => {
      const batch = tf.tensor(seededFloats(seed, tf.util.sizeFromShape([...INPUT_SHAPE])), [...INPUT_SHAPE]);
      const found = model.predict(batch) as tf.Tensor;
      const values = found.dataSync() as Float32Array;
      expect(values.every(Number.isFinite)).toBe(true);
      tf.dispose([batch, found]);
      return new Uint8Array(values.slice().buffer);
    });
    model.dispose();
    return outputs;
  }

  beforeAll(async () => {
    writeFiles(at('base'), await filesOf(1));
    writeFiles(at('next'), await filesOf(100));
  });

  test(`makes of ${kind} patched in place what it makes of the next`, async () => {
    writeFiles(at('patched'), await filesOf(1));
    await patchInPlace(at('patched'), await diffFolders(at('base'), at('next')));
    const [base, next] = [await outputsOf('base'), await outputsOf('next')];
    expect(next.map(({ length }) => length)).toEqual([60, 60, 60]);
    for (const [i, output] of next.entries()) expect(output).not.toEqual(base[i]);
    expect(await outputsOf('patched')).toEqual(next);
  });

  test(`makes of a copy of ${kind} that the command line patched what it makes of the next`, async () => {
    const made = await command('diff', at('base'), at('next'), '-o', at('update.ndiff'));
    expect(made).toMatchObject({ status: 0 });
    const applied = await command('apply', at('base'), at('update.ndiff'), '-o', at('copy'));
    expect(applied).toMatchObject({ status: 0 });
    expect(await outputsOf('copy')).toEqual(await outputsOf('next'));
    expect(await outputsOf('base')).not.toEqual(await outputsOf('next'));
  });
});
