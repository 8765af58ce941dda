import type { Report } from '../../src/report/document.js';
import { type MeasureOptions, measureReport } from '../../src/report/measure/measure-report.js';
import { describeMachine } from '../../src/report/measure/run-program.js';
import { checkReportPage } from '../../src/report/page/render-pages.js';
import { writeBenchReport, writeReport } from '../../src/report/write-report.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { type Io, printResult, remark } from '../io.js';
import { checkReportFlags, type ReportFlags } from '../report/flags.js';
import { type ReportInputs, readInputs } from '../report/inputs.js';
import { planReportFleet, readFleet } from '../report/plan-fleet.js';
import { StepProgress } from '../report/step-progress.js';
import { printable, tableOf } from '../report/table.js';
import { checkReportFolder, REPORT_FILES, writeReportFiles } from '../report/write-files.js';
import { listOf } from '../training.js';

/**
 * Measures payloads, sets them against gates, and writes what came of it as pages and documents.
 *
 * @returns the exit status: `gate` when gates were given and no payload meets them
 */
export async function runReport(flags: ReportFlags, io: Io): Promise<number> {
  const { isMeasured } = checkReportFlags(flags);
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
}

/** @returns what the flags ask to be measured */
export function measureOptions(
  flags: Pick<ReportFlags, 'chain' | 'next' | 'recipe' | 'seed' | 'backend'>,
  { base, payloads, io }: { base: string; payloads: readonly string[]; io: Io },
): MeasureOptions {
  const { chain, next, recipe, seed, backend } = flags;
  return {
    ...{ base, payloads, next, recipe, seed, backend, signal: io.signal },
    ...(chain !== undefined && { chain: listOf('chain', chain) }),
  };
}

async function measured(inputs: ReportInputs, flags: ReportFlags, io: Io): Promise<Report> {
  const { base = '', payload = [], applyRuns } = flags;
  const { gates, against, fleet: installed, bench } = inputs;
  const plan = installed && (await readFleet(installed, flags, io));
  const progress = new StepProgress(io, flags);
  const options = measureOptions(flags, { base, payloads: payload, io });
  const measurements = await measureReport({ ...options, applyRuns, onProgress: progress.report }).finally(
    () => progress.finish(),
  );
  const title = flags.title ?? `Update of ${base}`;
  const about = { title, gates, against, ...bench };
  const report = writeReport(measurements, about);
  if (plan === undefined) return report;
  return writeReport(measurements, { ...about, fleet: planReportFleet(report, plan, flags) });
}

function ofBenches({ bench }: ReportInputs, flags: ReportFlags): Report {
  const { frontier, sequence } = bench;
  if (frontier === undefined) throw new UsageError('Expected --bench with a document of bench:accuracy');
  return writeBenchReport({
    title: flags.title ?? `Diffs of ${frontier.task}`,
    machine: describeMachine(),
    frontier,
    sequence,
  });
}

function printPlan(flags: ReportFlags, io: Io): void {
  const { base, payload = [], recipe, bench = [], out } = flags;
  const json = { dryRun: true, base, payloads: payload, recipe, bench, out, files: REPORT_FILES };
  const what = recipe === undefined ? 'sizes and times' : `accuracy by ${recipe}, sizes and times`;
  const lines = [
    ...(base === undefined ? [] : [`would measure ${what} of ${payload.join(', ')} on ${base}`]),
    ...bench.map((path) => `would take what ${path} has`),
    `would write ${REPORT_FILES.join(', ')} into ${out}`,
  ];
  printResult(io, flags, { json, lines });
}

function linesOf(report: Report): string[] {
  const { advice, candidates } = report;
  return [
    ...(candidates.length > 0 ? [...tableOf(report), ''] : []),
    `${advice.isPassed ? 'passed' : 'FAILED'}  ${printable(advice.headline)}`,
    ...advice.reasons.map((reason) => `  ${printable(reason)}`),
  ];
}
