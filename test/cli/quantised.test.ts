import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openFolder } from '../../src/node/folder.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel } from '../../src/tfjs/layers-files.js';
import { command, expectRefusal, recipe, scratch, writeModel } from './command.js';
import { quantise } from './quantise.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);

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
