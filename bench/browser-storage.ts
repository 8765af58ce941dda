// How fast the disks of browsers are, in Chromium: npm run -s bench -- browser-storage [--json]. CHROMIUM
// names another program.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { Model } from '../src/model/tensor.js';
import { packDiff } from '../src/payload/encode.js';
import type { Times } from './browser-storage/page.js';
import { median } from './common/median.js';
import { bundlePage, CHROMIUM, servePage } from './common/pages.js';
import { printBench } from './common/report.js';

/** Five shards of 4 MB, of whose weights one in a hundred changes, so that hardly a page stays as it is. */
const SHARDS = 5;
const SHARD_WEIGHTS = 1_000_000;
const CHANGED_EVERY = 100;

const RUNS = 3;
const FILE_MEGABYTES = (64 * 2 ** 20) / 1e6;
const MODEL_MEGABYTES = (SHARDS * SHARD_WEIGHTS * 4) / 1e6;

const start = performance.now();
const profile = mkdtempSync(join(tmpdir(), 'neural-diff-bench-'));
const { files, paths } = await createFiles();
const server = await servePage(files);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: CHROMIUM,
  args: ['--no-sandbox'],
});
try {
  const rows = [];
  for (const where of ['page', 'worker'] as const)
    for (const kind of ['files', 'database'] as const) rows.push(await measure(where, kind));
  printBench({ bench: 'browser-storage', seconds: (performance.now() - start) / 1000, rows, goals: [] });
} finally {
  await context.close();
  server.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(where: 'page' | 'worker', kind: 'files' | 'database') {
  const page = await context.newPage();
  await page.goto(server.origin);
  const target: Pick<Page, 'evaluate'> = where === 'page' ? page : await startWorker(page);
  const runs: Times[] = [];
  for (let i = 0; i < RUNS; i++)
    runs.push(await target.evaluate<Times>(`bench.measureDisk("${kind}", ${JSON.stringify(paths)})`));
  await page.close();
  const secondsOf = (name: keyof Times): number => median(runs.map((times) => times[name])) / 1000;
  const speed = (name: keyof Times, megabytes: number): number => megabytes / secondsOf(name);
  return {
    where,
    disk: kind,
    'write MB/s': speed('write', FILE_MEGABYTES),
    'read MB/s': speed('read', FILE_MEGABYTES),
    '1000 pages s': secondsOf('pages'),
    'install MB/s': speed('install', MODEL_MEGABYTES),
    'update s': secondsOf('update'),
    'update MB/s': speed('update', MODEL_MEGABYTES),
  };
}

async function startWorker(page: Page) {
  const [worker] = await Promise.all([
    page.waitForEvent('worker'),
    page.evaluate(`void new Worker('bench.js')`),
  ]);
  return worker;
}

async function createFiles(): Promise<{ files: Map<string, Uint8Array | string>; paths: string[] }> {
  const model: Model = {
    tensors: Array.from({ length: SHARDS }, (_, i) => {
      const weights = Float32Array.from({ length: SHARD_WEIGHTS }, (_, at) => Math.sin(at * (i + 1)));
      return {
        name: `kernel${i}`,
        dtype: 'float32',
        shape: [1_000, 1_000],
        bytes: new Uint8Array(weights.buffer),
      };
    }),
  };
  const positions = Uint32Array.from(
    { length: SHARD_WEIGHTS / CHANGED_EVERY },
    (_, i) => CHANGED_EVERY * i + (i % 97),
  );
  const levels = Int16Array.from(positions, (at) => (at % 2 ? 1 : -1));
  const ops = model.tensors.map(
    ({ name }) => ({ kind: 'sparse', tensor: name, scale: 0.25, positions, levels }) as const,
  );
  const { payload } = await packDiff(model, { ops });
  const shards = model.tensors.map(({ name, bytes }) => [`${name}.bin`, bytes] as const);
  const weights = model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const weightsManifest = [{ paths: shards.map(([path]) => path), weights }];
  const json = JSON.stringify({ format: 'layers-model', weightsManifest });
  const script = await bundlePage(join(import.meta.dirname, 'browser-storage', 'page.js'));
  const files = new Map<string, Uint8Array | string>([
    ['bench.js', script],
    ['update.ndiff', payload],
    ...[['model.json', new TextEncoder().encode(json)] as const, ...shards],
  ]);
  return { files, paths: ['model.json', ...shards.map(([path]) => path)] };
}
