import { measureReport } from '../../src/report/measure/measure-report.js';
import { writeReport } from '../../src/report/write-report.js';
import { defineCommand } from '../command.js';
import { MEASURE_FLAGS, MODEL } from '../flags.js';
import { printResult } from '../io.js';
import { measuringProgress } from '../progress.js';
import { measureOptions } from '../report-inputs.js';
import { tableOf } from '../report-output.js';

export const command = defineCommand({
  group: 'Measure diffs',
  summary: 'Compare payloads with their base and a full fine-tune',
  details: [
    'Prints sizes in bytes and, with --recipe, accuracy. Unlike neural-diff report, it does not apply ' +
      'payloads in separate processes or run other programs.',
  ],
  args: {
    base: MODEL,
    payloads: {
      type: 'string',
      isRequired: true,
      isRepeated: true,
      description: 'Payload files for the base',
    },
  },
  flags: MEASURE_FLAGS,
  examples: [
    {
      description: 'Compare two kinds of diff with the full fine-tune',
      run: 'compare models/v1 v2-hash.ndiff v2-sparse.ndiff --recipe recipe.mjs --next models/v2-full',
    },
  ],
  async handle(flags, io) {
    const { base, payloads } = flags;
    const progress = measuringProgress(io, flags);
    const options = measureOptions(flags, { base, payloads, io });
    const measurements = await measureReport({
      ...options,
      applyRuns: 0,
      byteDiffers: false,
      streams: false,
      onProgress: progress.report,
    }).finally(() => progress.finish());
    const report = writeReport(measurements, { title: `Payloads of ${base}` });
    const { headline, reasons } = report.advice;
    const advice = [headline, ...reasons.map((reason) => `  ${reason}`)];
    const lines = [...tableOf(report), '', ...advice];
    printResult(io, flags, { json: report, lines });
  },
});
