import { mkdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyPayload } from '../../apply/apply-payload.js';
import { type ErrorCode, NeuralDiffError } from '../../model/errors.js';
import { openModel, type WholeModel, wholeModel } from '../../node/open-model.js';
import { writeCopy } from '../../node/output.js';
import { openPayloadFile } from '../../node/read-payload.js';
import type { ApplyCost } from '../document.js';
import type { CheckedPayload } from './open-payloads.js';
import { runProgram } from './run-program.js';

const PROBE = fileURLToPath(new URL('./apply-probe.js', import.meta.url));

/** Time limit of one run, in seconds. */
const MAX_SECONDS = 3_600;

/** Runs of an idle process, for its memory. */
const STARTS = 3;

/** A copy of the model on the devices, which is copied again for each run. */
export interface ApplyBench {
  /**
   * Patches copies of the model in place, or makes new files, each time in a separate process.
   *
   * @throws errors of applying; the signal's reason
   */
  measure(payload: Pick<CheckedPayload, 'path' | 'made'>, runs: number): Promise<ApplyCost>;
}

/**
 * Prepares to measure the cost of applying.
 *
 * @param model paths of the model, and of payloads that devices have applied already
 * @param folder an empty folder for copies
 * @throws NeuralDiffError `no-space`, `file-unreadable`; the signal's reason
 */
export async function prepareApplyBench(
  model: { base: string; chain: readonly string[] },
  folder: string,
  signal?: AbortSignal,
): Promise<ApplyBench> {
  const whole = await copyPatched(model, join(folder, 'start'));
  const idle: number[] = [];
  for (let i = 0; i < STARTS; i++) idle.push((await probe([], signal)).peakBytes);
  return {
    async measure(payload, runs) {
      const found: ProbeResult[] = [];
      for (let i = 0; i < runs; i++) found.push(await runOnce(whole, { payload, folder, signal }));
      const peakBytes = medianOf(found.map((run) => run.peakBytes));
      return {
        seconds: medianOf(found.map((run) => run.seconds)),
        runs,
        extraMemoryBytes: Math.max(0, peakBytes - medianOf(idle)),
      };
    },
  };
}

/**
 * Copies a model's files and applies payloads to the copy, as devices do.
 *
 * @param model paths of the model and of the payloads
 * @param folder where to make the copy; it must not exist
 * @returns the copy
 * @throws NeuralDiffError `no-space`, `file-unreadable`; errors of applying
 */
export async function copyPatched(
  model: { base: string; chain: readonly string[] },
  folder: string,
): Promise<WholeModel> {
  const whole = await wholeModel(model.base);
  await mkdir(folder);
  const from = join(folder, basename(resolve(whole.from)));
  await writeCopy({ ...whole, to: from }, (copy) => applyChain(join(copy, whole.main), model.chain));
  return { ...whole, from };
}

async function applyChain(path: string, chain: readonly string[]): Promise<void> {
  if (chain.length === 0) return;
  const store = await openModel(path, { writable: true });
  try {
    for (const payload of chain) {
      const bytes = await openPayloadFile(payload);
      await applyPayload(store, bytes).finally(() => bytes.close());
    }
  } finally {
    await store.close();
  }
}

async function runOnce(
  model: WholeModel,
  {
    payload,
    folder,
    signal,
  }: { payload: Pick<CheckedPayload, 'path' | 'made'>; folder: string; signal: AbortSignal | undefined },
): Promise<ProbeResult> {
  const place = join(folder, 'run');
  await mkdir(place);
  try {
    const copy = join(place, basename(model.from));
    await writeCopy({ ...model, to: copy }, async () => {});
    const args = [join(copy, model.main), payload.path];
    return await probe(payload.made === undefined ? args : [...args, join(place, 'made')], signal);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** How a failed probe is reported. */
const ENDS = { failed: 'failed', 'timed-out': 'timed out', 'not-installed': 'could not be started' } as const;

interface ProbeResult {
  readonly seconds: number;
  readonly peakBytes: number;
}

async function probe(args: readonly string[], signal: AbortSignal | undefined): Promise<ProbeResult> {
  const decoder = new TextDecoder();
  let printed = '';
  const onOutput = (bytes: Uint8Array): void => {
    printed += decoder.decode(bytes, { stream: true });
  };
  const end = await runProgram(process.execPath, [PROBE, ...args], {
    signal,
    seconds: MAX_SECONDS,
    onOutput,
  });
  if (end !== 'done') throw new Error(`Cannot measure the cost of applying: the process ${ENDS[end]}`);
  const answer: ProbeResult & { error?: { code?: ErrorCode; message: string } } = JSON.parse(printed);
  if (answer.error === undefined) return answer;
  const { code, message } = answer.error;
  throw code === undefined ? new Error(message) : new NeuralDiffError(code, message);
}

/** @returns the middle value, or the mean of the two middle ones */
function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] as number;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] as number;
  return (upper + lower) / 2;
}
