// Runs in a page and in Node: what training steps take on a backend.

import '@tensorflow/tfjs-backend-webgpu';
import { useBackend } from 'neural-diff/tfjs';
import { timeDiffs } from '../common/diff-steps.js';
import { median } from '../common/median.js';
import type { Round } from '../common/paired-ratios.js';
import { type BenchModel, MODELS } from '../common/train-models.js';

/** What to time. */
export interface StepsJob {
  readonly backend: 'wasm' | 'webgpu';
  readonly network: string;
  /** Milliseconds; every kind of training has one round at least. */
  readonly budgetMs: number;
}

/** Steps of a round; the first ones compile shaders. */
const STEPS = 8;

/** @returns median milliseconds a step, by way of training */
export async function timeSteps({ backend, network, budgetMs }: StepsJob): Promise<Record<string, number>> {
  await useBackend(backend);
  const spec = MODELS.find(({ name }) => name === network) as BenchModel;
  const rounds = await timeDiffs(spec, { budgetMs, steps: STEPS });
  const ways = Object.keys(rounds[0] as Round);
  return Object.fromEntries(ways.map((way) => [way, median(rounds.map((round) => round[way] as number))]));
}

/** @returns the name of the adapter that the webgpu backend takes; undefined if there is none */
export async function adapterName(): Promise<string | undefined> {
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return undefined;
  const { vendor, architecture, device, description } = adapter.info;
  return [vendor, architecture, device, description].filter(Boolean).join(' ');
}

/** The part of WebGPU that names adapters; there are no types of it for Node. */
interface Gpu {
  requestAdapter(options: { powerPreference: string }): Promise<{ info: Record<string, string> } | null>;
}
