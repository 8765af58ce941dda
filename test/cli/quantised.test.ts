import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openFolder } from '../../src/node/index.js';
import { loadModel, useBackend } from '../../src/tfjs/index.js';
import { concat } from '../support.js';
import { command, expectRefusal, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);

interface Weight {
  readonly name: string;
  readonly shape: number[];
  readonly dtype: string;
}

/** Writes a copy of a LayersModel whose matrices are quantised as TensorFlow.js's converter does it. */
function quantise(from: string, to: string, dtype: 'uint8' | 'uint16' | 'float16'): void {
  const json = JSON.parse(readFileSync(join(from, 'model.json'), 'utf8'));
  const [{ paths, weights }] = json.weightsManifest as [{ paths: string[]; weights: Weight[] }];
  const all = concat(...paths.map((path) => new Uint8Array(readFileSync(join(from, path)))));
  let at = 0;
  const entries = weights.map((weight) => {
    const count = weight.shape.reduce((product, size) => product * size, 1);
    const values = new Float32Array(all.slice(at, at + 4 * count).buffer);
    at += 4 * count;
    return weight.shape.length < 2
      ? { weight, bytes: new Uint8Array(values.buffer) }
      : stored(weight, values, dtype);
  });
  mkdirSync(to);
  writeFileSync(join(to, 'weights.bin'), concat(...entries.map(({ bytes }) => bytes)));
  json.weightsManifest = [{ paths: ['weights.bin'], weights: entries.map(({ weight }) => weight) }];
  writeFileSync(join(to, 'model.json'), JSON.stringify(json));
}

/** Room is left at both ends of the range. */
function stored(weight: Weight, values: Float32Array, dtype: 'uint8' | 'uint16' | 'float16') {
  if (dtype === 'float16') {
    const halves = Uint16Array.from(values, (value) => halfBits(value));
    return { weight: { ...weight, quantization: { dtype } }, bytes: new Uint8Array(halves.buffer) };
  }
  const most = 1.3 * Math.max(...values.map(Math.abs));
  const top = dtype === 'uint8' ? 255 : 65_535;
  const quantization = { dtype, scale: (2 * most) / top, min: -most };
  const integers = values.map((value) => Math.round((value - quantization.min) / quantization.scale));
  const bytes =
    dtype === 'uint8' ? Uint8Array.from(integers) : new Uint8Array(Uint16Array.from(integers).buffer);
  return { weight: { ...weight, quantization }, bytes };
}

/** Weights here are plain numbers of half precision: their lower bits are cut off. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  return ((bits >>> 16) & 0x8000) | Math.max(0, ((bits >>> 13) & 0x3ffff) - (112 << 10));
}

async function accuracyOf(path: string): Promise<number> {
  await useBackend('wasm');
  const model = await loadModel(await openFolder(path));
  const { validation } = (await import(recipe('points'))).data({ tf, seed: 3 });
  const found = tf.argMax(model.predict(validation.xs) as tf.Tensor, -1);
  return (
    await tf.mean(tf.cast(tf.equal(found, tf.argMax(validation.ys, -1)), 'float32')).data()
  )[0] as number;
}

beforeAll(() => writeModel(at('base')));

const training = ['--recipe', recipe('points'), '--budget', '18%', '--seed', '3', '--json'];

test.each(['uint8', 'float16'] as const)(
  'train makes payloads for what a base quantised to %s stores, and reports what devices will have',
  async (dtype) => {
    const [base, next, payload] = [at(dtype), at(`next-${dtype}`), at(`${dtype}.ndiff`)] as const;
    quantise(at('base'), base, dtype);
    const { stdout, status } = await command('train', 'hash', '--base', base, ...training, '-o', payload);
    expect(status).toBe(0);
    const { metrics, next: promised } = JSON.parse(stdout);
    expect(metrics.base.accuracy).toBeCloseTo(await accuracyOf(base), 6);
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy + 0.2);
    const applied = await command('apply', base, payload, '-o', next, '--json');
    expect(JSON.parse(applied.stdout).fingerprint).toBe(promised);
    expect(readdirSync(next).sort()).toEqual(['model.json', 'weights.bin']);
    expect(readFileSync(join(next, 'model.json'))).toEqual(readFileSync(join(base, 'model.json')));
    expect(metrics.diff.accuracy).toBeCloseTo(await accuracyOf(next), 6);
  },
);

test('a payload does not apply to the same integers with another scale', async () => {
  const path = join(at('rescaled'), 'model.json');
  quantise(at('base'), at('rescaled'), 'uint8');
  const json = JSON.parse(readFileSync(path, 'utf8'));
  json.weightsManifest[0].weights[0].quantization.scale *= 2;
  writeFileSync(path, JSON.stringify(json));
  const { stdout, status } = await command('verify', at('rescaled'), at('uint8.ndiff'), '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([3, 'wrong-base']);
});

test('train refuses a base quantised to 16 bits', async () => {
  quantise(at('base'), at('uint16'), 'uint16');
  const run = command('train', 'hash', '--base', at('uint16'), ...training, '-o', at('refused.ndiff'));
  await expectRefusal(run, 'unsupported-model', 'quantised to 16 bits');
});
