import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import type { Report } from '../../../src/report/document.js';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import type { MeasureOptions } from '../../../src/report/measure/options.js';
import { parseReport } from '../../../src/report/schema.js';
import type { StreamResult } from '../../../src/report/streaming.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { command, recipe } from '../../cli/command.js';
import { writeOnnxFile } from '../../cli/networks.js';
import { errorOf } from '../../support.js';
import { takeApart } from '../page/page-text.js';
import { Workshop } from './fixtures.js';

const shop = new Workshop();
let base: string;
let open: string;
let payloads: string[];
let recipePath: string;

/** Frames whose difficulty is below the first bias of the model take the expensive branch. */
const STREAM = `export const stream = {
  frameSeconds: 1 / 64,
  threads: [2 ** 17, 2 ** 18],
  branches: { small: 2 ** 10, 'large one': 2 ** 12 },
  run({ tf, model, flopsPerSecond, seed }) {
    const gate = model.getLayer('out').getWeights()[1].dataSync()[0];
    const difficulties = [[0, 1, 2, 3, 4, 5, 6, 7].map((step) => step / 8), [0, 0.5, 0, 0.5]];
    const routes = difficulties.map((stream) => Uint8Array.from(stream, (each) => Number(each < gate)));
    return { routes, metrics: { gate, 'speed *': flopsPerSecond, seed } };
  },
};`;

const TESTED = 'return { train, test: { xs: xs.clone(), ys: hot() } };';

/** Writes a model that sends the frames below a difficulty through the expensive branch. */
async function saveGated(name: string, gate: number): Promise<string> {
  await useBackend('cpu');
  const out = tf.layers.dense({ units: 3, name: 'out', activation: 'softmax', inputShape: [2] });
  const model = tf.sequential({ layers: [out] });
  out.setWeights([tf.tensor2d([1, 0, -1, 0, 1, -1], [2, 3]), tf.tensor1d([gate, 0, 0])]);
  return shop.saveModel(name, model);
}

beforeAll(async () => {
  base = await saveGated('base', 0.25);
  open = await saveGated('open', 0.625);
  const shut = await saveGated('shut', 0);
  payloads = [await shop.exact('open.ndiff', base, open), await shop.exact('shut.ndiff', base, shut)];
  recipePath = shop.recipe('gated', TESTED, STREAM);
});

const measure = (options: Partial<MeasureOptions> = {}) =>
  measureReport({
    base,
    payloads,
    recipe: recipePath,
    seed: 3,
    applyRuns: 0,
    byteDiffers: false,
    ...options,
  });

/** @returns the result of a thread, with seconds given in frames */
function resultOf(counts: readonly [small: number, large: number], thread: { speed: number; gate: number }) {
  return (p50: number, p95: number, longest: number): StreamResult => ({
    streams: 2,
    frames: 12,
    shares: counts.map((count) => count / 12),
    computation: (counts[0] + 4 * counts[1]) / 48,
    latency: { p50: p50 / 64, p95: p95 / 64, p99: p95 / 64, distribution: expect.any(Array) as never },
    longestBacklog: longest / 64,
    metrics: [
      { name: 'gate', value: thread.gate },
      { name: 'speed *', value: thread.speed },
      { name: 'seed', value: 3 },
    ],
  });
}

/** A frame takes half of its time or twice that on the slow thread, a quarter or all of it on the other. */
function resultsOf(gate: number, counts: readonly [number, number], slow: [number, number, number]) {
  const [small, large] = [0.25, 1];
  const fast = counts[1] === 0 ? [small, small] : [counts[1] > 6 ? large : small, large];
  return [
    resultOf(counts, { speed: 2 ** 17, gate })(...slow),
    resultOf(counts, { speed: 2 ** 18, gate })(fast[0] as number, fast[1] as number, 0),
  ];
}

const EXPECTED = {
  base: resultsOf(0.25, [8, 4], [2, 3, 2]),
  open: resultsOf(0.625, [3, 9], [4, 6, 5]),
  shut: resultsOf(0, [12, 0], [0.5, 0.5, 0]),
};

test('measureReport() runs every model on the streams of its recipe, and simulates each thread', async () => {
  const phases: string[] = [];
  const counts: [number, number][] = [];
  const onProgress: MeasureOptions['onProgress'] = ({ phase, done, total }) => {
    phases.push(phase);
    counts.push([done, total as number]);
  };
  const measured = await measure({ next: open, onProgress });
  expect(measured.streaming).toEqual({
    frameSeconds: 1 / 64,
    branches: [
      { name: 'small', flops: 1024 },
      { name: 'large one', flops: 4096 },
    ],
    threads: [2 ** 17, 2 ** 18],
  });
  expect(measured.base.streams).toEqual(EXPECTED.base);
  expect(measured.full?.streams).toEqual(EXPECTED.open);
  expect(measured.candidates.map(({ streams }) => streams)).toEqual([EXPECTED.open, EXPECTED.shut]);
  expect(measured.candidates.map(({ quality }) => quality !== undefined)).toEqual([true, true]);
  expect(phases.filter((phase) => phase.startsWith('running'))).toEqual(
    ['the base', 'the full fine-tune', '"open"', '"shut"'].map((name) => `running streams with ${name}`),
  );
  const [done, total] = counts.at(-1) as [number, number];
  expect(done).toBe(total);
  expect(measured.remarks.join(' ')).toContain('Streams were simulated');
});

test('measureReport() runs streams with a chain, and only if it may', async () => {
  const back = await shop.exact('back.ndiff', open, base);
  const { base: chained } = await measure({ chain: payloads.slice(0, 1), payloads: [back] });
  expect(chained.streams).toEqual(EXPECTED.open);
  const without = await measure({ streams: false });
  expect([without.streaming, without.base.streams]).toEqual([undefined, undefined]);
  expect(without.remarks.join(' ')).not.toMatch(/stream/i);
  const plain = await measure({ recipe: shop.recipe('plain', TESTED) });
  expect(plain.streaming).toBeUndefined();
});

test('measureReport() says which models have no streams, as they are no LayersModels', async () => {
  writeOnnxFile(shop.at('net.onnx'));
  const path = shop.write(
    'of-graph.mjs',
    `export { data, loss, options } from ${JSON.stringify(recipe('logits'))};\n${STREAM}`,
  );
  const same = await shop.exact('same.ndiff', shop.at('net.onnx'), shop.at('net.onnx'));
  const found = await measure({ base: shop.at('net.onnx'), payloads: [same], recipe: path });
  expect([found.streaming, found.base.streams, found.candidates[0]?.streams]).toEqual(
    Array(3).fill(undefined),
  );
  expect(found.base.quality).toBeDefined();
  expect(found.remarks).toContain(
    'The streams of the recipe were not run with the base, "same": only LayersModels run them.',
  );
});

const running = (body: string) => STREAM.replace(/return \{ routes.*\n/, `${body}\n`);

test.each([
  ['nothing', 'return;', 'an object with a list as "routes", a Uint8Array for each stream'],
  ['lists of numbers', 'return { routes: [[0, 1]] };', 'a Uint8Array for each stream'],
  ['no frames', 'return { routes: [new Uint8Array()] };', 'routes of at least one frame, got none'],
  [
    'a branch that is not there',
    'return { routes: [routes[0], Uint8Array.of(0, 1, 2)] };',
    'routes with branches from 0 to 1, got 2 at frame 2 of stream 1',
  ],
  ['metrics in a list', 'return { routes, metrics: [1] };', 'finite numbers by name as "metrics"'],
  ['metrics that are none', 'return { routes, metrics: { a: NaN } };', 'finite numbers by name as "metrics"'],
])('measureReport() refuses a stream that returns %s', async (name, body, words) => {
  const path = shop.recipe(`returns ${name}`, TESTED, running(body));
  const { code, message } = await errorOf(() => measure({ recipe: path }));
  expect([code, message]).toEqual(['recipe-invalid', expect.stringContaining(words)]);
  expect(message).toContain('expected "stream.run" to return');
});

test('measureReport() reports a stream that throws, and ends one that is aborted', async () => {
  const path = shop.recipe('throws', TESTED, running("throw new Error('no clip');"));
  const { code, message } = await errorOf(() => measure({ recipe: path }));
  expect([code, message]).toEqual(['recipe-failed', expect.stringMatching(/throws\.mjs:\d+:\d+: no clip$/)]);
  const endless = shop.recipe(
    'endless',
    TESTED,
    running('return new Promise(() => setInterval(() => {}, 10).unref());'),
  );
  const controller = new AbortController();
  const onProgress: MeasureOptions['onProgress'] = ({ phase }) => {
    if (phase.startsWith('running')) setTimeout(() => controller.abort(new Error('enough')), 20);
  };
  await expect(measure({ recipe: endless, signal: controller.signal, onProgress })).rejects.toThrow('enough');
});

test('report shows streams in its JSON, its Markdown and its page', async () => {
  const out = shop.at('report');
  const args = ['--base', base, '--next', open, '--recipe', recipePath, '--seed', '3', '--apply-runs', '0'];
  const given = payloads.flatMap((path) => ['--payload', path]);
  const { status, stdout } = await command('report', ...args, ...given, '--json', '-o', out);
  expect(status).toBe(0);
  const report: Report = parseReport(readFileSync(shop.at('report', 'report.json'), 'utf8'), 'report.json');
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(report)));
  expect(report.candidates.map(({ streams }) => streams)).toEqual([EXPECTED.open, EXPECTED.shut]);

  const markdown = readFileSync(shop.at('report', 'report.md'), 'utf8');
  expect(markdown).toContain(`On a thread of 131 kFLOP/s:

| model | Computation | Frames in small | Frames in large one | Latency p50, ms | Latency p95, ms | Latency p99, ms | Longest backlog, ms | gate | speed \\* | seed |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| base | 50.0 % | 66.7 % | 33.3 % | 31.3 | 46.9 | 46.9 | 31.3 | 0.250 | 131,072 | 3 |
| full fine-tune | 81.3 % | 25.0 % | 75.0 % | 62.5 | 93.8 | 93.8 | 78.1 | 0.625 | 131,072 | 3 |
| open | 81.3 % | 25.0 % | 75.0 % | 62.5 | 93.8 | 93.8 | 78.1 | 0.625 | 131,072 | 3 |
| shut | 25.0 % | 100.0 % | 0.0 % | 7.81 | 7.81 | 7.81 | 0 | 0 | 131,072 | 3 |

On a thread of 262 kFLOP/s:
`);
  const page = takeApart(readFileSync(shop.at('report', 'report.html'), 'utf8'));
  expect(page.text).toContain('A frame arrives every 15.6\u00a0ms');
  expect(page.text).toContain('12 frames in 2 streams');
  for (const number of ['81.3\u00a0%', '66.7\u00a0%', '31.3', '93.8', '78.1', '7.81', '0.625', '15.6'])
    expect(page.tables).toContain(number);
});
