import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { copyModel } from '../../src/model/store.js';
import { openModel } from '../../src/node/open-model.js';
import { parseReport } from '../../src/report/schema.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadOnnxRuntime } from '../runtimes/onnx-runtime.js';
import { command, expectRefusal, recipe, scratch, writeModel } from './command.js';
import { writeGraphFolder, writeOnnxFile } from './networks.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const runOnnx = await loadOnnxRuntime();

/** The points that training does not see. */
async function validation(): Promise<{ xs: tf.Tensor; ys: tf.Tensor }> {
  await useBackend('cpu');
  return (await import(recipe('points'))).data({ tf, seed: 3 }).validation;
}

/** @returns the share of the points that a file gets right, run as devices run it */
async function accuracyOf(path: string): Promise<number> {
  const { xs, ys } = await validation();
  const rows = path.endsWith('.onnx') ? await onnxRows(path, xs) : await graphRows(path, xs);
  const hits = tf.equal(tf.argMax(rows, -1), tf.argMax(ys, -1));
  return (await tf.mean(tf.cast(hits, 'float32')).data())[0] as number;
}

async function onnxRows(path: string, xs: tf.Tensor): Promise<tf.Tensor> {
  const values = (await xs.data()) as Float32Array;
  const { y } = (await runOnnx?.(path, { x: { shape: xs.shape, values } })) ?? {};
  return tf.tensor(new Float32Array((y as Uint8Array).buffer), [xs.shape[0] as number, 3]);
}

async function graphRows(path: string, xs: tf.Tensor): Promise<tf.Tensor> {
  const json = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8'));
  const bytes = new Uint8Array(readFileSync(join(path, 'weights.bin')));
  const load = () =>
    tf.io.getModelArtifactsForJSON(json, async (manifest) => [
      manifest.flatMap(({ weights }) => weights),
      bytes.buffer,
    ]);
  return (await tf.loadGraphModel({ load })).predict(xs) as tf.Tensor;
}

const read = async (path: string) => {
  const store = await openModel(path);
  return copyModel(store).finally(() => store.close());
};

const MODELS = [
  { model: 'plain.onnx', write: (path: string) => writeOnnxFile(path) },
  {
    model: 'split/model.onnx',
    write: (path: string) => writeOnnxFile(path, { dtype: 'float16', external: 'model.onnx.data' }),
  },
  { model: 'graph', write: (path: string) => writeGraphFolder(path) },
  { model: 'graph-float16', write: (path: string) => writeGraphFolder(path, 'float16') },
];

beforeAll(async () => {
  for (const { model, write } of MODELS) write(at(model));
  await writeModel(at('layers'));
});

const training = ['--recipe', recipe('points'), '--seed', '3'];

describe.skipIf(runOnnx === undefined).each(MODELS)('of $model', ({ model }) => {
  const base = at(model);
  const name = model.replaceAll(/[/.]/g, '-');
  const [payload, full] = [at(`${name}.ndiff`), at(`full-${name}${/^plain/.test(model) ? '.onnx' : ''}`)];
  /** The file that a runtime opens in a copy. */
  const main = (copy: string): string => (model.startsWith('split') ? join(copy, 'model.onnx') : copy);

  beforeAll(async () => {
    const made = await command('fine-tune', '--base', base, ...training, '-o', full, '--json');
    expect(made).toMatchObject({ status: 0 });
  });

  test('train makes a payload after which its runtime has the accuracy that train printed', async () => {
    const args = ['--base', base, ...training, '--budget', '18%', '-o', payload, '--json'];
    const { status, stdout } = await command('train', 'hash', ...args);
    expect([status, stdout]).toEqual([0, expect.stringContaining('metrics')]);
    const { metrics, next } = JSON.parse(stdout);
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy + 0.2);
    const copy = at(`copy-${name}${/^plain/.test(model) ? '.onnx' : ''}`);
    const applied = await command('apply', base, payload, '-o', copy, '--json');
    expect(JSON.parse(applied.stdout).fingerprint).toBe(next);
    expect(metrics.base.accuracy).toBeCloseTo(await accuracyOf(base), 6);
    expect(metrics.diff.accuracy).toBeCloseTo(await accuracyOf(main(copy)), 6);
  });

  test('fine-tune writes a copy of the same kind that its runtime runs', async () => {
    const files = existsSync(join(full, '.')) ? readdirSync(full).sort() : [basename(full)];
    const expected = { 'plain-onnx': ['full-plain-onnx.onnx'], 'split-model-onnx': ['model.onnx', 'model.onnx.data'] };
    expect(files).toEqual(expected[name as keyof typeof expected] ?? ['model.json', 'weights.bin']);
    const { tensors } = await read(full);
    expect(tensors.map(({ name, dtype }) => [name, dtype])).toEqual(
      (await read(base)).tensors.map(({ name, dtype }) => [name, dtype]),
    );
    expect(await accuracyOf(main(full))).toBeGreaterThan((await accuracyOf(base)) + 0.2);
  });

  test('report runs the patched files by their runtime, and says which', async () => {
    const out = at(`report-${name}`);
    const measuring = ['--base', base, '--next', full, '--recipe', recipe('points'), '--seed', '3'];
    const { status } = await command('report', ...measuring, '--payload', payload, '--apply-runs', '1', '-o', out);
    expect(status).toBe(0);
    const report = parseReport(readFileSync(join(out, 'report.json'), 'utf8'), out);
    const runtime = model.endsWith('.onnx') ? /^ONNX Runtime \d/ : /^TensorFlow\.js \d.*, wasm$/;
    expect(report.data?.runtime).toMatch(runtime);
    expect(report.remarks.join(' ')).toContain(`run by ${report.data?.runtime}.`);
    expect(report.base.quality?.accuracy.value).toBeCloseTo(await accuracyOf(base), 6);
    expect(report.full?.quality?.accuracy.value).toBeCloseTo(await accuracyOf(main(full)), 6);
    const [candidate] = report.candidates;
    expect(candidate?.versusBase?.positiveFlips.count).toBeGreaterThan(0);
    expect(candidate?.apply?.runs).toBe(1);
    expect(candidate?.layers.filter(({ changed }) => changed > 0).length).toBeGreaterThan(3);
  });
});
