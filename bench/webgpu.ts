// What a training step takes on the webgpu and wasm backends, in Chromium and, where the npm package `webgpu`
// is installed, in Node: npm run -s bench -- webgpu [--quick | --all] [--json]. CHROMIUM names another
// program.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { bundlePage, CHROMIUM, servePage } from './common/pages.js';
import { printBench } from './common/report.js';
import { type BenchModel, MODELS } from './common/train-models.js';
import type { StepsJob } from './webgpu/steps.js';

const isQuick = process.argv.includes('--quick');
const BUDGET_MS = isQuick ? 1 : 20_000;

/** Convolutions take seconds on an adapter that runs on the processor. */
const NETWORKS = process.argv.includes('--all') ? MODELS : MODELS.slice(0, 1);

/** Where steps are timed. */
interface Place {
  readonly runtime: string;
  readonly adapter: string | undefined;
  timeSteps(job: StepsJob): Promise<Record<string, number>>;
  close(): Promise<void>;
}

type Row = Record<string, string | number | null>;

/** Flags for the machine's own adapter, and for the one on the processor that Chromium brings along. */
const ADAPTERS = [
  ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--ignore-gpu-blocklist'],
  ['--enable-unsafe-webgpu', '--enable-unsafe-swiftshader', '--use-webgpu-adapter=swiftshader'],
];

async function openPage(adapterFlags: readonly string[]): Promise<Place> {
  const name = 'tfjs-backend-wasm-simd.wasm';
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  const wasm = readFileSync(new URL(name, `file://${main}`));
  const script = await bundlePage(join(import.meta.dirname, 'webgpu', 'steps.js'));
  const server = await servePage(
    new Map<string, Uint8Array | string>([
      ['bench.js', script],
      [name, wasm],
    ]),
  );
  const args = ['--no-sandbox', ...adapterFlags];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args });
  const page = await browser.newPage();
  await page.goto(server.origin);
  return {
    runtime: `Chromium ${browser.version()}`,
    adapter: (await page.evaluate<string | undefined>('bench.adapterName()')) ?? undefined,
    timeSteps: (job) => page.evaluate<Record<string, number>>(`bench.timeSteps(${JSON.stringify(job)})`),
    async close() {
      await browser.close();
      server.close();
    },
  };
}

async function openChromium(): Promise<Place> {
  const [own, onProcessor] = ADAPTERS as [string[], string[]];
  const page = await openPage(own);
  if (page.adapter !== undefined) return page;
  await page.close();
  return openPage(onProcessor);
}

/** The package is large and no dependency: its name is no literal, so that types do without it. */
const PACKAGE = 'webgpu';

/** @returns undefined if the package is not installed */
async function openNode(): Promise<Place | undefined> {
  const dawn = await import(PACKAGE).catch(() => undefined);
  if (!dawn) return undefined;
  Object.assign(globalThis, dawn.globals);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: dawn.create([]) }, configurable: true });
  const { adapterName, timeSteps } = await import('./webgpu/steps.js');
  const adapter = await adapterName();
  return { runtime: `Node ${process.version}`, adapter, timeSteps, close: async () => {} };
}

async function measure(place: Place, { name: network, title }: BenchModel): Promise<Row[]> {
  const rows: Row[] = [];
  for (const backend of ['wasm', 'webgpu'] as const) {
    process.stderr.write(`${place.runtime}: ${network} on ${backend} …\n`);
    const adapter = backend === 'wasm' ? '-' : (place.adapter ?? 'no adapter');
    const isPossible = backend === 'wasm' || place.adapter !== undefined;
    const times = isPossible ? await place.timeSteps({ backend, network, budgetMs: BUDGET_MS }) : {};
    rows.push({
      runtime: place.runtime,
      network: title,
      backend,
      adapter,
      'plain ms': times.plain ?? null,
      'fine-tune ms': times.fineTune ?? null,
      'sparse ms': times.sparse ?? null,
      'annealed ms': times.annealed ?? null,
      'hash ms': times.hash ?? null,
    });
  }
  return rows;
}

const start = performance.now();
const rows: Row[] = [];
for (const open of [openChromium, openNode]) {
  const place = await open();
  if (!place) {
    process.stderr.write('Node: no package "webgpu"; npm install --no-save --ignore-scripts webgpu@0.6\n');
    continue;
  }
  for (const network of NETWORKS) rows.push(...(await measure(place, network)));
  await place.close();
}
printBench({ bench: 'webgpu', seconds: (performance.now() - start) / 1000, rows, goals: [] });
