import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { copyModel } from '../../src/model/store.js';
import { openModel } from '../../src/node/open-model.js';
import { parseReport } from '../../src/report/schema.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { loadOnnxRuntime } from '../runtimes/onnx-runtime.js';
import { command, expectRefusal, MAIN, recipe, scratch, writeModel } from './command.js';
import { writeGraphFolder, writeOnnxFile } from './networks.js';
import { quantise } from './quantise.js';

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

/** A model, what its copies are called and consist of, and what a runtime opens in them. */
const MODELS = [
  {
    model: 'plain.onnx',
    write: (path: string) => writeOnnxFile(path),
    ending: '.onnx',
    files: undefined,
    main: '',
  },
  {
    model: 'split',
    write: (path: string) =>
      writeOnnxFile(join(path, 'model.onnx'), { dtype: 'float16', external: 'model.onnx.data' }),
    ending: '',
    files: ['model.onnx', 'model.onnx.data'],
    main: 'model.onnx',
  },
  {
    model: 'graph',
    write: (path: string) => writeGraphFolder(path),
    ending: '',
    files: ['model.json', 'weights.bin'],
    main: '',
  },
  {
    model: 'halves',
    write: (path: string) => quantise(at('graph'), path, 'float16'),
    ending: '',
    files: ['model.json', 'weights.bin'],
    main: '',
  },
];

beforeAll(async () => {
  for (const { model, write } of MODELS) write(at(model));
  await writeModel(at('layers'));
});

const training = ['--recipe', recipe('points'), '--seed', '3'];

describe.skipIf(runOnnx === undefined).each(MODELS)('of $model', ({ model, ending, files, main }) => {
  const base = at(model);
  const [payload, full, copy] = [
    at(`${model}.ndiff`),
    at(`full-${model}${ending}`),
    at(`copy-${model}${ending}`),
  ];

  beforeAll(async () => {
    const made = await command('fine-tune', '--base', base, ...training, '-o', full, '--json');
    expect(made).toMatchObject({ status: 0 });
    expect(made.stderr.includes('16 bits rounded to the nearest')).toBe(['split', 'halves'].includes(model));
  });

  test('train makes a payload after which its runtime has the accuracy that train printed', async () => {
    const args = ['--base', base, ...training, '--budget', '18%', '-o', payload, '--json'];
    const { status, stdout } = await command('train', 'hash', ...args);
    expect([status, stdout]).toEqual([0, expect.stringContaining('metrics')]);
    const { metrics, next } = JSON.parse(stdout);
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy + 0.2);
    const applied = await command('apply', base, payload, '-o', copy, '--json');
    expect(JSON.parse(applied.stdout).fingerprint).toBe(next);
    expect(metrics.base.accuracy).toBeCloseTo(await accuracyOf(join(base, main)), 6);
    expect(metrics.diff.accuracy).toBeCloseTo(await accuracyOf(join(copy, main)), 6);
  });

  test('train goes on from a chain of payloads, in memory', async () => {
    const args = ['--base', base, '--chain', payload, ...training, '--budget', '9%', '--json'];
    const { stdout } = await command('train', 'sparse', ...args, '-o', at(`later-${model}.ndiff`));
    expect(JSON.parse(stdout).base).toBe((await command('fingerprint', copy)).stdout.trim());
  });

  test('fine-tune writes a copy of the same kind that its runtime runs', async () => {
    if (files) expect(readdirSync(full).sort()).toEqual(files);
    const infos = async (path: string) => (await read(path)).tensors.map(({ bytes: _, ...info }) => info);
    expect(await infos(full)).toEqual(await infos(base));
    const accuracy = await accuracyOf(join(full, main));
    expect(accuracy).toBeGreaterThan((await accuracyOf(join(base, main))) + 0.2);
  });

  test('report runs the patched files by their runtime, and says which', async () => {
    const out = at(`report-${model}`);
    const measuring = ['--base', base, '--next', full, ...training, '--payload', payload];
    const runs = model === 'plain.onnx' ? 1 : 0;
    const { status } = await command('report', ...measuring, '--apply-runs', String(runs), '-o', out);
    expect(status).toBe(0);
    const report = readReport(out);
    const runtime = files?.includes('model.json') ? /^TensorFlow\.js \d.*, wasm$/ : /^ONNX Runtime \d/;
    expect(report.data?.runtime).toMatch(runtime);
    expect(report.remarks.join(' ')).toContain(`run by ${report.data?.runtime}.`);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain(report.data?.runtime);
    const measured = [report.base, report.full, ...report.candidates].map(
      (each) => each?.quality?.accuracy.value,
    );
    const expected = [base, full, copy].map((path) => accuracyOf(join(path, main)));
    expect(measured).toEqual((await Promise.all(expected)).map((value) => expect.closeTo(value, 6)));
    const [candidate] = report.candidates;
    expect(candidate?.versusBase?.positiveFlips.count).toBeGreaterThan(0);
    expect(candidate?.apply?.runs ?? 0).toBe(runs);
    expect(candidate?.layers.filter(({ changed }) => changed > 0).length).toBeGreaterThan(3);
  });

  test('--only trains the tensors that match, and no byte of others changes', async () => {
    const only = ['--base', base, ...training, '--only', 'head*', '--freeze', '*bias'];
    const [head] = (await read(base)).tensors.flatMap(({ name }) => (/^head.weight$/.test(name) ? name : []));
    const out = at(`head-${model}.ndiff`);
    const planned = await command('train', 'hash', ...only, '--budget', '9%', '-o', out, '--dry-run');
    expect(planned.stdout).toContain('trains  1 tensor, 96 of 2371 weights');
    expect(planned.stdout).toContain(JSON.stringify(head));
    expect((await command('train', 'hash', ...only, '--budget', '9%', '-o', out)).status).toBe(0);
    const { stdout } = await command('info', out, '--base', base, '--json');
    const { ops, unchanged } = JSON.parse(stdout);
    expect([ops.flatMap((op: { tensors: string[] }) => op.tensors), unchanged]).toEqual([[head], 5]);
    const tuned = at(`head-${model}${ending}`);
    expect((await command('fine-tune', ...only, '-o', tuned)).status).toBe(0);
    const [before, after] = [await read(base), await read(tuned)];
    const changed = after.tensors.filter(
      ({ bytes }, i) => Buffer.compare(bytes, before.tensors[i]?.bytes as Uint8Array) !== 0,
    );
    expect(changed.map(({ name }) => name)).toEqual([head]);
  });
});

const readReport = (out: string) => parseReport(readFileSync(join(out, 'report.json'), 'utf8'), out);

describe.skipIf(runOnnx === undefined)('an ONNX file', () => {
  const base = at('plain.onnx');

  test('is trained and measured on an inner value, with metrics of the recipe', async () => {
    const [out, report] = [at('logits.ndiff'), at('report-logits')];
    const using = ['--base', base, '--recipe', recipe('logits'), '--seed', '3'];
    const trained = await command('train', 'hash', ...using, '--budget', '18%', '-o', out, '--json');
    const { metrics } = JSON.parse(trained.stdout);
    expect(Object.keys(metrics.diff).sort()).toEqual(['accuracy', 'confidence', 'loss']);
    expect(metrics.diff.confidence).toBeGreaterThan(metrics.base.confidence);
    await command('report', ...using, '--payload', out, '--apply-runs', '0', '-o', report);
    const { base: before, candidates, data } = readReport(report);
    expect(data?.runtime).toContain('ONNX Runtime');
    expect(before.quality?.accuracy.value).toBeCloseTo(metrics.base.accuracy, 6);
    expect(candidates[0]?.quality?.accuracy.value).toBeCloseTo(metrics.diff.accuracy, 6);
  });

  test('is trained with a loss that is a function, and measured in batches of a fixed size', async () => {
    writeOnnxFile(at('fixed.onnx'), { batch: 5 });
    const using = ['--base', at('fixed.onnx'), '--recipe', recipe('own-loss'), '--seed', '3'];
    const out = at('fixed.ndiff');
    const trained = await command('train', 'sparse', ...using, '--budget', '9%', '-o', out, '--json');
    const { metrics } = JSON.parse(trained.stdout);
    const { stdout } = await command('info', out, '--base', at('fixed.onnx'), '--json');
    const changed = new Set(JSON.parse(stdout).ops.flatMap((op: { tensors: string[] }) => op.tensors));
    expect([...changed].filter((name) => (name as string).startsWith('hidden'))).toEqual([]);
    await command('report', ...using, '--payload', out, '--apply-runs', '0', '-o', at('report-fixed'));
    const { candidates } = readReport(at('report-fixed'));
    expect(candidates[0]?.quality?.accuracy.value).toBeCloseTo(metrics.diff.accuracy, 6);
  });

  test('is measured by TensorFlow.js where ONNX Runtime is not installed, and the report says so', async () => {
    const hooks = `export const resolve = (name, context, next) => {
      if (name !== 'onnxruntime-node') return next(name, context);
      throw Object.assign(new Error('hidden'), { code: 'ERR_MODULE_NOT_FOUND' });
    };`;
    const asUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
    const hide = asUrl(`import { register } from 'node:module'; register(${JSON.stringify(asUrl(hooks))});`);
    const using = [
      '--base',
      base,
      '--recipe',
      recipe('logits'),
      '--seed',
      '3',
      '--payload',
      at('logits.ndiff'),
    ];
    const args = ['--import', hide, MAIN, 'report', ...using, '--apply-runs', '0', '-o', at('report-hidden')];
    execFileSync(process.execPath, args, { stdio: 'ignore' });
    const [found, expected] = [readReport(at('report-hidden')), readReport(at('report-logits'))];
    expect(found.data?.runtime).toMatch(/^TensorFlow\.js .* as onnxruntime-node is not available$/);
    expect(found.candidates[0]?.quality?.accuracy).toEqual(expected.candidates[0]?.quality?.accuracy);
  });

  test('is swept in threads to the payloads that train makes', async () => {
    const out = at('swept');
    const grid = ['--kinds', 'hash,sparse', '--budgets', '18%', '--seeds', '3', '--workers', '2'];
    const swept = await command('sweep', '--base', base, '--recipe', recipe('points'), ...grid, '-o', out);
    expect(swept.status).toBe(0);
    expect(readFileSync(join(out, 'hash-18pct-seed3.ndiff'))).toEqual(readFileSync(at('plain.onnx.ndiff')));
    const selected = ['--only', 'head*', '--resume', '-o', out];
    const resumed = command(
      'sweep',
      '--base',
      base,
      '--recipe',
      recipe('points'),
      ...grid,
      ...selected,
      '--json',
    );
    await expectRefusal(resumed, 'output-exists', 'with only undefined, expected head*');
  });
});

describe('a GraphModel', () => {
  test('whose file holds integers is trained on their grid, and not fine-tuned', async () => {
    quantise(at('graph'), at('bytes'), 'uint8');
    const [out, copy] = [at('bytes.ndiff'), at('copy-bytes')];
    const using = ['--base', at('bytes'), ...training];
    const trained = await command('train', 'hash', ...using, '--budget', '18%', '-o', out, '--json');
    const { metrics } = JSON.parse(trained.stdout);
    expect((await command('apply', at('bytes'), out, '-o', copy)).status).toBe(0);
    expect(metrics.base.accuracy).toBeCloseTo(await accuracyOf(at('bytes')), 6);
    expect(metrics.diff.accuracy).toBeCloseTo(await accuracyOf(copy), 6);
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy + 0.2);
    const tune = command('fine-tune', ...using, '-o', at('never'), '--json');
    await expectRefusal(tune, 'unsupported-model', 'it is stored as uint8, expected floats');
    expect(existsSync(at('never'))).toBe(false);
    quantise(at('graph'), at('wide'), 'uint16');
    const wide = command(
      'train',
      'hash',
      '--base',
      at('wide'),
      ...training,
      '--budget',
      '9%',
      '-o',
      out,
      '--json',
      '-f',
    );
    await expectRefusal(wide, 'unsupported-model', '16-bit integers');
  });

  test('is searched for the best kind', async () => {
    const using = ['--base', at('graph'), ...training, '--only', 'head*', '--budget', '9%'];
    const { stdout } = await command('train', 'auto', ...using, '-o', at('best.ndiff'), '--json');
    const { kind, tries, metrics } = JSON.parse(stdout);
    expect(tries.map((each: { kind: string }) => each.kind).sort()).toEqual(['hash', 'sparse']);
    expect(['hash', 'sparse']).toContain(kind);
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy);
    const planned = await command('train', 'auto', ...using, '-o', at('never.ndiff'), '--dry-run');
    expect(planned.stdout).toMatch(/^trains {2}2 tensors, 99 of 2371 weights$/m);
  });
});

describe('commands refuse', () => {
  const train = (base: string, ...more: string[]) =>
    command(
      'train',
      'hash',
      '--base',
      base,
      ...training,
      '--budget',
      '9%',
      '-o',
      at('never.ndiff'),
      '--json',
      ...more,
    );
  const write = (name: string, exports: string): string => {
    const path = at(`${name}.mjs`);
    writeFileSync(path, `export { data, optimizer } from ${JSON.stringify(recipe('points'))};\n${exports}`);
    return path;
  };
  const LOSS = `export const loss = 'categoricalCrossentropy';`;

  test.each(['plain.onnx', 'graph'])(
    'of %s: recipes with what this kind of model does not have',
    async (model) => {
      const refused: [name: string, exports: string, words: string][] = [
        ['loss', `export const loss = 'hinge';`, 'expected "loss" for this kind of model'],
        [
          'losses',
          `export const loss = ['meanSquaredError', 'meanSquaredError'];`,
          'expected one loss for each',
        ],
        ['named', `export const loss = { z: 'meanSquaredError' };`, 'got undefined'],
        ['outputs', `${LOSS} export const options = { outputs: ['z'] };`, 'the model has no such value'],
        ['listed', `${LOSS} export const options = { outputs: 'y' };`, 'a list of texts as "outputs"'],
        [
          'mode',
          `${LOSS} export const options = { mode: 'training' };`,
          'mode "training" is for LayersModels',
        ],
        [
          'fine-tune-mode',
          `${LOSS} export const options = { fineTune: { mode: 'training' } };`,
          'mode "training" is for LayersModels',
        ],
        [
          'metric',
          `${LOSS} export const metrics = ['precision'];`,
          'expected "metrics" for this kind of model',
        ],
      ];
      for (const [name, exports, words] of refused)
        await expectRefusal(train(at(model), '--recipe', write(name, exports)), 'recipe-invalid', words);
    },
  );

  test('outputs of a LayersModel, and patterns that no weight has', async () => {
    const outputs = write('own', `${LOSS} export const options = { outputs: ['logits'] };`);
    await expectRefusal(
      train(at('layers'), '--recipe', outputs),
      'recipe-invalid',
      'as "outputs", got "logits"',
    );
    for (const model of ['layers', 'plain.onnx', 'graph']) {
      await expectRefusal(train(at(model), '--only', 'tail*'), 'usage', 'Cannot use only "tail*"');
      await expectRefusal(train(at(model), '--dry-run', '--freeze', '*'), 'usage', 'leave no weights');
    }
  });

  test('models without a graph', async () => {
    const weights = at('weights.safetensors');
    writeFileSync(weights, writeSafetensors(await read(at('layers'))));
    const tune = ['--base', weights, ...training, '-o', at('never')];
    await expectRefusal(train(weights), 'unsupported-model', 'weights alone have no graph');
    await expectRefusal(
      command('fine-tune', ...tune, '--json'),
      'unsupported-model',
      'ONNX file, got safetensors',
    );
  });

  test('a folder with several files as a file, before anything is trained', async () => {
    const tune = command('fine-tune', '--base', at('split'), ...training, '-o', at('never.onnx'), '--json');
    await expectRefusal(tune, 'usage', 'name a folder');
    expect(existsSync(at('never.onnx'))).toBe(false);
  });

  test('a report on outputs that the model does not have', async () => {
    const using = [
      '--base',
      at('plain.onnx'),
      '--recipe',
      write('z', `${LOSS} export const options = { outputs: ['z'] };`),
    ];
    const run = command('report', ...using, '--payload', at('plain.onnx.ndiff'), '-o', at('never'), '--json');
    await expectRefusal(run, 'bad-data', 'no such value');
  });
});
