import { join } from 'node:path';
import { writeFolder, writeInto } from '../src/node/output.js';
import { fineTuneSpec, type JobSpec, jobId } from '../src/recipe/farm/job-spec.js';
import { describeJob } from '../src/recipe/farm/serve-jobs.js';
import type { FarmStore, JobResult } from '../src/recipe/farm/store.js';
import type { SweptDiff } from '../src/recipe/sweep/worker.js';
import { writeCurve } from '../src/report/curve.js';

/** Names of products; all but payloads have the form of `node:v8`. */
const PRODUCTS = {
  diff: 'payload.ndiff',
  'fine-tune': 'fine-tune.bin',
  network: 'network.bin',
  predict: 'predictions.bin',
} as const;

/** A job, its result, and the store that has both. */
interface EndedJob {
  readonly spec: JobSpec;
  readonly result: JobResult;
  readonly store: FarmStore;
}

/**
 * Writes the result folder of a job, all of it or nothing: the product, what is known of it, the learning
 * curve of a diff, and a log of all epochs.
 *
 * @returns path and size of the product
 * @throws NeuralDiffError those of `FarmStore.get` and `writeFolder`
 */
export async function writeJobFiles(
  { out, force }: { readonly out: string; readonly force: boolean },
  { spec, result, store }: EndedJob,
): Promise<{ path: string; bytes: number }> {
  const product = await store.get(result.product);
  const name = PRODUCTS[spec.type];
  const log = await writeLog({ spec, result, store });
  await writeFolder({ from: '.', files: [], to: out, force }, async (folder) => {
    const write = (file: string, text: string) => writeInto(folder, file, new TextEncoder().encode(text));
    await writeInto(folder, name, product);
    if (spec.type === 'diff') await write('curve.json', writeCurve(result.facts as unknown as SweptDiff));
    await write('log.txt', log);
    await write('result.json', `${JSON.stringify(result, null, 2)}\n`);
  });
  return { path: join(out, name), bytes: product.length };
}

/** @returns the log of a job, after that of its full fine-tune: a line an epoch */
async function writeLog({ spec, result, store }: EndedJob): Promise<string> {
  const teacher = fineTuneSpec(spec);
  const before = teacher && (await store.readResult(jobId(teacher)));
  const first = before ? [...linesOf(teacher as JobSpec, before), ''] : [];
  return `${[`neural-diff ${spec.package}`, ...first, ...linesOf(spec, result)].join('\n')}\n`;
}

function linesOf(spec: JobSpec, { job, seconds, log }: JobResult): string[] {
  const epochs = log.map(({ phase, epoch, epochs, loss, state, metrics = {} }) => {
    const values = Object.entries({ loss, ...state }).map(([name, value]) => `${name} ${short(value)}`);
    const measured = Object.entries(metrics).map(([name, value]) => `validation ${name} ${short(value)}`);
    return [phase, `epoch ${epoch + 1}/${epochs}`, ...values, ...measured].join('  ');
  });
  return [`job ${job}: ${describeJob(spec)}`, ...epochs, `ended after ${seconds.toFixed(1)} s`];
}

function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}
