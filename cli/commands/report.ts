import { curvesOf } from '../../src/report/curve.js';
import type { Report } from '../../src/report/document.js';
import { farmPredictions } from '../../src/report/measure/farm-predictions.js';
import { measureWith } from '../../src/report/measure/measure-with.js';
import { describeMachine } from '../../src/report/measure/run-program.js';
import { checkReportPage } from '../../src/report/page/render-pages.js';
import { writeBenchReport, writeReport } from '../../src/report/write-report.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { MEASURE_FLAGS, outputFlags } from '../flags.js';
import { countOf, type Io, printResult, remark } from '../io.js';
import { measuringProgress } from '../progress.js';
import {
  FLEET_FLAGS,
  INPUT_FLAGS,
  measureOptions,
  PRECISION_FLAGS,
  planReportFleet,
  type ReportInputs,
  readFleet,
  readInputs,
} from '../report-inputs.js';
import {
  checkReportFolder,
  precisionLines,
  REPORT_FILES,
  tableOf,
  writeReportFiles,
} from '../report-output.js';
import { checkTrainer, openFarm, TRAINER_FLAGS } from '../trainer.js';
import { readShare } from '../values.js';
import { readVersion } from '../version.js';

const FLAGS = {
  base: { type: 'string', placeholder: 'model', description: 'Model on the devices' },
  payload: {
    type: 'string',
    placeholder: 'file',
    isRepeated: true,
    description: 'Payload file; may be repeated',
  },
  ...MEASURE_FLAGS,
  applyRuns: {
    type: 'number',
    placeholder: 'n',
    default: 5,
    description: 'Number of times to apply each payload in a separate process; 0 measures no times',
  },
  ...PRECISION_FLAGS,
  ...INPUT_FLAGS,
  ...FLEET_FLAGS,
  queue: {
    ...TRAINER_FLAGS.queue,
    description: 'Run the models on the workers of a farm: redis://host:6379; needs --store and --recipe',
  },
  store: TRAINER_FLAGS.store,
  title: { type: 'string', placeholder: 'text', description: 'Title; default: from the base, or the task' },
  ...outputFlags('folder', 'Folder to write the report to'),
} as const satisfies Flags;

type ReportFlags = FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Measure diffs',
  summary: 'Measure payloads, check them against limits (gates), and recommend what to ship',
  details: [
    `Writes ${REPORT_FILES.join(', ')}: a web page, Markdown for pull requests, JSON, ` +
      'and JUnit for CI servers.',
  ],
  args: {},
  flags: FLAGS,
  examples: [
    {
      description: 'Compare a payload with the full fine-tune',
      run: 'report --base models/v1 --next models/v2-full --payload v2.ndiff --recipe recipe.mjs -o report',
    },
    {
      description: 'Compare two payloads, and fail the build unless one of them meets the gates',
      run:
        'report --base models/v1 --payload a.ndiff --payload b.ndiff --recipe recipe.mjs ' +
        '--gate gates.json -o report',
    },
    {
      description: 'Show the results of a bench',
      run: 'report --bench accuracy.json --task keywords -o report',
    },
    {
      description: 'Also find the coarsest grids on which devices could store the base within 0.3 points',
      run: 'report --base models/v1 --payload v2.ndiff --recipe recipe.mjs --precision 0.3% -o report',
    },
  ],
  exits: { gate: 'No payload meets the gates; the report is still written' },
  async handle(flags, io) {
    const { isMeasured } = checkFlags(flags);
    await checkReportFolder(flags.out, flags);
    const inputs = await readInputs(flags);
    await checkReportPage();
    if (flags.dryRun) {
      printPlan(flags, io);
      return EXIT.done;
    }
    const report = isMeasured ? await measured(inputs, flags, io) : ofBenches(inputs, flags);
    io.signal.throwIfAborted();
    await writeReportFiles(flags.out, report);
    printResult(io, flags, { json: report, lines: linesOf(report) });
    remark(io, flags, `wrote ${REPORT_FILES.join(', ')} into ${flags.out}`);
    return inputs.gates !== undefined && !report.advice.isPassed ? EXIT.gate : EXIT.done;
  },
});

/**
 * Decides whether payloads are to be measured.
 *
 * @throws UsageError for flags that do not go together
 */
function checkFlags(flags: ReportFlags): { isMeasured: boolean } {
  const { base, payload, bench, task, fleet, updates, fullBytes } = flags;
  const isMeasured = base !== undefined || payload.length > 0;
  if (!isMeasured && bench.length === 0) throw new UsageError('Expected --base and --payload, or --bench');
  if (isMeasured && (base === undefined || payload.length === 0))
    throw new UsageError('Expected --base and --payload together');
  const measuring = ['next', 'recipe', 'gate', 'fleet', 'chain', 'against', 'curve', 'precision'] as const;
  const idle = measuring.find((name) => (flags[name]?.length ?? 0) > 0);
  if (!isMeasured && idle !== undefined)
    throw new UsageError(`Expected --${idle} with --base and --payload alone`);
  if (flags.precision !== undefined && flags.recipe === undefined)
    throw new UsageError('Expected --precision with --recipe alone');
  checkTrainer(flags);
  if (flags.queue !== undefined && flags.recipe === undefined)
    throw new UsageError('Expected --queue with --recipe alone');
  if (flags.precision !== undefined) readShare('gap', flags.precision);
  if (task !== undefined && bench.length === 0) throw new UsageError('Expected --task with --bench alone');
  if (fullBytes !== undefined && !(Number.isSafeInteger(fullBytes) && fullBytes >= 0))
    throw new UsageError('Expected --full-bytes to be a whole number of at least 0');
  if (fleet === undefined && (updates !== undefined || fullBytes !== undefined))
    throw new UsageError('Expected --updates and --full-bytes with --fleet alone');
  return { isMeasured };
}

async function measured(inputs: ReportInputs, flags: ReportFlags, io: Io): Promise<Report> {
  const { base = '', payload, applyRuns } = flags;
  const { gates, against, fleet: installed, bench } = inputs;
  const plan = installed && (await readFleet(installed, flags, io));
  const progress = measuringProgress(io, flags);
  const options = measureOptions(flags, { base, payloads: payload, io });
  const farm = await openFarm(flags, io);
  const measurements = await measureWith(
    {
      ...options,
      applyRuns,
      precisionGap: flags.precision === undefined ? undefined : readShare('gap', flags.precision),
      onProgress: progress.report,
    },
    farm && farmPredictions(farm, readVersion()),
  ).finally(async () => {
    progress.finish();
    await farm?.queue.close();
  });
  const title = flags.title ?? `Update of ${base}`;
  const curves = curvesOf(inputs.curves, measurements.candidates);
  const unused = inputs.curves.length - curves.length;
  if (unused > 0) remark(io, flags, `passed over ${countOf(unused, 'curve')} of other payloads`);
  const about = { title, gates, against, curves, ...bench };
  const report = writeReport(measurements, about);
  if (plan === undefined) return report;
  return writeReport(measurements, { ...about, fleet: planReportFleet(report, plan, flags) });
}

function ofBenches({ bench }: ReportInputs, flags: ReportFlags): Report {
  const { frontier, sequence } = bench;
  if (frontier === undefined) throw new UsageError('Expected --bench with a document of the accuracy bench');
  return writeBenchReport({
    title: flags.title ?? `Diffs of ${frontier.task}`,
    machine: describeMachine(),
    frontier,
    sequence,
  });
}

function printPlan(flags: ReportFlags, io: Io): void {
  const { base, payload, recipe, bench, out } = flags;
  const json = { dryRun: true, base, payloads: payload, recipe, bench, out, files: REPORT_FILES };
  const what = recipe === undefined ? 'sizes and times' : `accuracy by ${recipe}, sizes and times`;
  const lines = [
    ...(base === undefined ? [] : [`would measure ${what} of ${payload.join(', ')} on ${base}`]),
    ...bench.map((path) => `would show ${path}`),
    `would write ${REPORT_FILES.join(', ')} into ${out}`,
  ];
  printResult(io, flags, { json, lines });
}

function linesOf(report: Report): string[] {
  const { advice, candidates } = report;
  return [
    ...(candidates.length > 0 ? [...tableOf(report), ''] : []),
    `${advice.isPassed ? 'passed' : 'FAILED'}  ${advice.headline}`,
    ...advice.reasons.map((reason) => `  ${reason}`),
    ...(report.precision ? ['', ...precisionLines(report.precision)] : []),
  ];
}
