import { measureReport } from '../../src/report/measure/measure-report.js';
import { writeReport } from '../../src/report/write-report.js';
import { type Io, printResult } from '../io.js';
import type { MeasureFlags } from '../report/flags.js';
import { StepProgress } from '../report/step-progress.js';
import { printable, tableOf } from '../report/table.js';
import { measureOptions } from './report.js';

/** Flags of `neural-diff compare`. */
export interface CompareFlags extends MeasureFlags {
  readonly base: string;
  readonly payloads: readonly string[];
}

/** Prints payloads beside base and full fine-tune, quickly: nothing is timed, no other programs are run. */
export async function runCompare(flags: CompareFlags, io: Io): Promise<void> {
  const { base, payloads } = flags;
  const progress = new StepProgress(io, flags);
  const options = measureOptions(flags, { base, payloads, io });
  const measurements = await measureReport({
    ...options,
    applyRuns: 0,
    byteDiffers: false,
    onProgress: progress.report,
  }).finally(() => progress.finish());
  const report = writeReport(measurements, { title: `Payloads of ${base}` });
  const { headline, reasons } = report.advice;
  const advice = [headline, ...reasons.map((reason) => `  ${reason}`)].map(printable);
  const lines = [...tableOf(report), '', ...advice];
  printResult(io, flags, { json: report, lines });
}
