import { NeuralDiffError } from '../../src/model/errors.js';
import { checkOutput } from '../../src/node/output.js';
import { readWhole } from '../../src/node/read-whole.js';
import { jobId, readJobSpec } from '../../src/recipe/farm/job-spec.js';
import { runJob } from '../../src/recipe/farm/run-job.js';
import { describeJob } from '../../src/recipe/farm/serve-jobs.js';
import { PREDICT_WORKER } from '../../src/report/measure/farm-predictions.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { openStore } from '../farm-store.js';
import { outputFlags, PROGRESS, STORE, WORK } from '../flags.js';
import { formatBytes, printResult, remark } from '../io.js';
import { writeJobFiles } from '../job-files.js';
import { trainingProgress } from '../progress.js';
import { readVersion } from '../version.js';

/** Largest job file. */
const MAX_BYTES = 2 ** 24;

export const command = defineCommand({
  group: 'Train on many machines',
  summary: 'Run a training job from a file',
  details: [
    'neural-diff sweep --emit jobs writes job files. A job identifies model, recipe, options and version ' +
      'by digest, so every machine produces the same bytes. Results already in the store are not computed ' +
      'again, and a job that was stopped continues after the last completed epoch.',
    'The recipe is code that is executed: only use job files and stores from people you trust.',
  ],
  args: {
    action: { type: 'string', isRequired: true, choices: ['run'], description: 'What to do' },
    file: { type: 'string', isRequired: true, description: 'Job file' },
  },
  flags: {
    store: { ...STORE, isRequired: true },
    work: WORK,
    progress: PROGRESS,
    ...outputFlags(
      'folder',
      'Folder for the product, result.json and log.txt; for a diff, payload.ndiff and curve.json',
    ),
  },
  examples: [
    {
      description: 'Run a job',
      run: 'job run jobs/hash-0.5pct-seed7.job.json --store /mnt/farm -o results/hash-0.5pct-seed7',
    },
    {
      description: 'Run it with a store in a bucket; AWS_ENDPOINT_URL selects a server other than Amazon S3',
      run: 'job run jobs/hash-0.5pct-seed7.job.json --store s3://farm/updates -o results/hash-0.5pct-seed7',
    },
  ],
  async handle(flags, io) {
    const { file, out, force, work } = flags;
    await checkOutput(out, { force });
    const { id: named, ...document } = parse(file, await readWhole(file, MAX_BYTES));
    const spec = readJobSpec(document);
    const id = jobId(spec);
    if (named !== undefined && named !== id)
      throw new NeuralDiffError('bad-document', `Cannot run "${file}": expected id ${id}, got ${named}`);
    const store = await openStore(flags.store);
    if (flags.dryRun) {
      const isKept = (await store.readResult(id)) !== undefined;
      const does = isKept ? 'would take the result of the store' : 'would run';
      printResult(io, flags, {
        json: { dryRun: true, id, isKept, out },
        lines: [`job  ${id}`, `${does}: ${describeJob(spec)}`],
      });
      return EXIT.done;
    }
    const progress = trainingProgress(io, flags);
    const place = {
      ...{ store, work, version: readVersion(), predictor: PREDICT_WORKER },
      ...{ signal: io.signal, onStep: progress.report },
    };
    const { result, isKept } = await runJob(spec, place);
    progress.finish();
    const { path, bytes } = await writeJobFiles({ out, force }, { spec, result, store });
    const how = isKept ? 'the store had it' : `trained in ${result.seconds.toFixed(1)} s`;
    printResult(io, flags, {
      json: { out, isKept, ...result },
      lines: [`job      ${id}`, `product  ${formatBytes(bytes)}, ${how}`],
    });
    remark(io, flags, `wrote ${path}`);
    return EXIT.done;
  },
});

function parse(file: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new NeuralDiffError('bad-document', `Cannot read the job: "${file}" is not JSON`, { cause });
  }
}
