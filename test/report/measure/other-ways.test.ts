import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { Progress } from '../../../src/model/progress.js';
import type * as ByteDiffers from '../../../src/report/measure/byte-differs.js';
import type * as MeasureReport from '../../../src/report/measure/measure-report.js';
import { runProgram } from '../../../src/report/measure/run-program.js';
import { recipe } from '../../cli/command.js';
import { writeSafetensors } from '../../containers/write-safetensors.js';
import { EXHAUSTIVE } from '../../exhaustive.js';
import { concat } from '../../support.js';
import { readModel, Workshop } from './fixtures.js';

// Payloads are applied by a program that is built.
const BUILT = join(import.meta.dirname, '..', '..', '..', 'dist', 'src', 'report', 'measure');
const built = (name: string) => import(pathToFileURL(join(BUILT, name)).href);
const { measureReport } = (await built('measure-report.js')) as typeof MeasureReport;
const { BYTE_DIFFERS } = (await built('byte-differs.js')) as typeof ByteDiffers;

const shop = new Workshop();
/** Temporary folders of this file alone. */
const temporary = new Workshop().folder;
const { PATH } = process.env;
let base: string;
let next: string;
let payloads: string[];

beforeAll(async () => {
  base = await shop.saveSmall('base');
  next = await shop.saveSmall('next', { seed: 2 });
  payloads = [await shop.train('hash', base), await shop.exact('exact.ndiff', base, next)];
  process.env.TMPDIR = temporary;
});

afterEach(() => {
  process.env.PATH = PATH;
  expect(readdirSync(temporary)).toEqual([]);
});

test('measureReport() measures alternatives, including an exact diff', async () => {
  const {
    ways,
    model,
    full,
    base: before,
    remarks,
  } = await measureReport({ base, next, payloads, applyRuns: 0 });
  const bytesOf = Object.fromEntries(ways.map(({ name, bytes }) => [name, bytes]));
  expect(ways.map(({ name }) => name)).toEqual([
    'full model, float32',
    'full model, compressed',
    'exact diff',
    ...BYTE_DIFFERS,
  ]);
  expect(model).toMatchObject({ tensors: 6, weights: 2371, bytes: 9484, float32Bytes: 9484 });
  expect(bytesOf['full model, float32']).toBe(9484);
  expect(bytesOf['exact diff']).toBe(statSync(payloads[1] as string).size);
  const whole = concat(...(await readModel(next)).tensors.map(({ bytes }) => bytes));
  // xz is smaller where it is installed.
  const brotli = brotliCompressSync(whole).length;
  expect(bytesOf['full model, compressed']).toBeLessThanOrEqual(brotli);
  expect(bytesOf['full model, compressed']).toBeGreaterThan(0.9 * brotli);
  for (const { name, bytes, note } of ways.slice(3))
    expect([name, bytes === undefined ? note : bytes > 1000 && bytes < 12_000]).toEqual([
      name,
      bytes === undefined ? 'not installed' : true,
    ]);
  expect([full, before]).toEqual([{}, {}]);
  expect(remarks.join(' ')).not.toMatch(/cost of applying|Accuracy|examples/);
});

test('measureReport() lists only the full model without a full fine-tune', async () => {
  const { ways, candidates, model } = await measureReport({ base, payloads, applyRuns: 0 });
  expect(ways.map(({ name }) => name)).toEqual(['full model, float32', 'full model, compressed']);
  expect([model.next, candidates[0]?.apply]).toEqual([undefined, undefined]);
  expect(candidates.map(({ name, kinds }) => [name, kinds])).toEqual([
    ['hash', ['hash', 'dense']],
    ['exact', ['set']],
  ]);
  for (const [i, { bytes, share, layers, sharedBytes }] of candidates.entries()) {
    expect(bytes).toBe(statSync(payloads[i] as string).size);
    expect(share).toBeCloseTo(bytes / 9484, 12);
    expect(layers.reduce((sum, layer) => sum + layer.bytes, sharedBytes)).toBe(bytes);
  }
});

test('measureReport() lists programs that are not installed', async () => {
  process.env.PATH = temporary;
  const { ways, remarks } = await measureReport({ base, next, payloads, applyRuns: 0 });
  expect(ways.slice(3)).toEqual(BYTE_DIFFERS.map((name) => ({ name, note: 'not installed' })));
  expect(remarks.join(' ')).toContain(`not installed on this machine: ${BYTE_DIFFERS.join(', ')}.`);
});

test('measureReport() applies payloads to copies in separate processes', async () => {
  const before = await readModel(base);
  const { candidates, remarks } = await measureReport({ base, payloads, applyRuns: 2 });
  for (const { apply } of candidates) {
    expect(apply?.runs).toBe(2);
    expect(apply?.seconds).toBeGreaterThan(0);
    expect(apply?.seconds).toBeLessThan(60);
    expect(apply?.extraMemoryBytes).toBeGreaterThanOrEqual(0);
    expect(apply?.extraMemoryBytes).toBeLessThan(2 ** 30);
  }
  expect(await readModel(base)).toEqual(before);
  expect(remarks.join(' ')).toContain('measured on the machine that made this report');
});

test('measureReport() measures the memory of applying independently of this process', async () => {
  const ballast = Buffer.alloc(2 ** 28, 1);
  const size = 2 ** 18;
  const bytes = new Uint8Array(4 * size);
  const tensor = { name: 'w', dtype: 'float32', shape: [size], bytes } as const;
  const file = shop.write('large.safetensors', writeSafetensors({ tensors: [tensor] }));
  const large = await shop.exact('large.ndiff', file, {
    tensors: [{ ...tensor, bytes: bytes.map((_, i) => i & 1) }],
  });
  const { candidates } = await measureReport({ base: file, payloads: [large], applyRuns: 1 });
  expect(ballast.length).toBe(2 ** 28);
  expect(candidates[0]?.apply?.extraMemoryBytes).toBeGreaterThan(2 ** 20);
  expect(candidates[0]?.apply?.extraMemoryBytes).toBeLessThan(2 ** 28);
});

test('measureReport() applies payloads to the result of a chain, and to files of other formats', async () => {
  const second = await shop.train('sparse', base, [payloads[0] as string]);
  const chained = { base, chain: payloads.slice(0, 1), payloads: [second], applyRuns: 1 };
  const { candidates, model } = await measureReport(chained);
  expect(candidates[0]?.apply?.runs).toBe(1);
  expect(model.base).toBe((await measureReport({ base, payloads, applyRuns: 0 })).candidates[0]?.next);
  const file = shop.write('model.safetensors', writeSafetensors(await readModel(base)));
  const same = await measureReport({ base: file, payloads, applyRuns: 1 });
  expect(same.candidates[1]?.apply?.runs).toBe(1);
  expect(same.model).toEqual((await measureReport({ base, payloads, applyRuns: 0 })).model);
});

test('measureReport() stops at every step, with the reason, and leaves nothing behind', async () => {
  const options = { base, next, payloads, recipe: recipe('points'), seed: 3, applyRuns: 1 };
  const progress: Progress[] = [];
  await measureReport({ ...options, onProgress: (each) => void progress.push(each) });
  const phases = [...new Set(progress.map(({ phase }) => phase))];
  expect(phases.length).toBeGreaterThan(20);
  expect(progress.every(({ done }, i) => done >= (progress[i - 1]?.done ?? 0))).toBe(true);
  expect(new Set(progress.map(({ total }) => total)).size).toBe(1);
  expect(progress.at(-1)).toMatchObject({ phase: 'done', done: progress[0]?.total });
  const reason = new Error('enough');
  for (const stop of phases.filter((_, i) => EXHAUSTIVE || i % 4 === 0)) {
    const controller = new AbortController();
    const onProgress = ({ phase }: Progress): void => {
      if (phase === stop) controller.abort(reason);
    };
    await expect(measureReport({ ...options, onProgress, signal: controller.signal })).rejects.toBe(reason);
    expect(readdirSync(temporary)).toEqual([]);
  }
  const aborted = { ...options, signal: AbortSignal.abort(reason) };
  await expect(measureReport(aborted)).rejects.toBe(reason);
});

test('measureReport() stops while a recipe loads its examples, even if the recipe ignores the signal', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 1000);
  const options = { base, payloads, recipe: recipe('deaf'), applyRuns: 0, signal: controller.signal };
  await expect(measureReport(options)).rejects.toBe(reason);
});

test('measureReport() stops while payloads are applied', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = ({ phase: doing }: Progress): void => {
    if (doing === 'applying "hash"') setTimeout(() => controller.abort(reason), 20);
  };
  const options = { base, payloads, applyRuns: 1000, onProgress, signal: controller.signal };
  await expect(measureReport(options)).rejects.toBe(reason);
});

test('runProgram() kills programs that are cancelled or take too long', async () => {
  const wait = ['-e', 'setTimeout(() => {}, 600_000)'];
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 100);
  const { signal } = controller;
  await expect(runProgram(process.execPath, wait, { signal, seconds: 600 })).rejects.toThrow('enough');
  expect(await runProgram(process.execPath, wait, { seconds: 0.1 })).toBe('timed-out');
  expect(await runProgram(process.execPath, ['-e', 'process.exit(3)'], { seconds: 60 })).toBe('failed');
  expect(await runProgram(join(temporary, 'nothing'), [], { seconds: 60 })).toBe('not-installed');
});

test('measureReport() needs TensorFlow.js only for a recipe', () => {
  const hooks = `export async function resolve(name, context, next) {
    if (!name.startsWith('@tensorflow/')) return next(name, context);
    throw Object.assign(new Error(name), { code: 'ERR_MODULE_NOT_FOUND' });
  }`;
  const run = (more: object): string => {
    const options = { base, next, payloads, applyRuns: 1, ...more };
    const script = `import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
      const { measureReport } = await import(${JSON.stringify(pathToFileURL(join(BUILT, 'measure-report.js')).href)});
      const end = await measureReport(${JSON.stringify(options)}).catch((error) => error);
      console.log(end.code ?? end.candidates.length);`;
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
  };
  expect(run({})).toBe('2');
  expect(run({ recipe: recipe('points') })).toBe('missing-package');
});
