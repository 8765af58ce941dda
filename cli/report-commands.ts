import type { Argv } from 'yargs';
import { MODEL_ARGUMENT, withOutput } from './arguments.js';
import { type CompareFlags, runCompare } from './commands/compare.js';
import { runReport } from './commands/report.js';
import type { Io } from './io.js';
import { type ReportFlags, withMeasuring, withReport } from './report/flags.js';

/** Adds the commands that help to decide what to ship. */
export function addReports(parser: Argv, io: Io, ended: { status: number }): void {
  parser
    .command(
      'report',
      'Measure payloads, set them against gates, and say what to ship: as a page, Markdown, JSON and JUnit',
      (y) =>
        withReport(withOutput(y, 'Folder to write the report into'))
          .example(
            '$0 report --base models/v1 --next models/v2-full --payload v2.ndiff --recipe recipe.mjs -o report',
            '',
          )
          .example(
            '$0 report --base models/v1 --payload a.ndiff --payload b.ndiff --recipe recipe.mjs --gate gates.json -o report',
            '',
          )
          .example('$0 report --bench accuracy.json --task keywords -o report', ''),
      async (flags) => {
        ended.status = await runReport(flags as unknown as ReportFlags, io);
      },
    )
    .command(
      'compare <base> <payloads..>',
      'Print payloads beside base and full fine-tune: bytes and, with a recipe, accuracy',
      (y) =>
        withMeasuring(y)
          .positional('base', MODEL_ARGUMENT)
          .positional('payloads', {
            type: 'string',
            array: true,
            demandOption: true,
            describe: 'Payload files for the base',
          })
          .example(
            '$0 compare models/v1 v2-hash.ndiff v2-sparse.ndiff --recipe recipe.mjs --next models/v2-full',
            '',
          ),
      (flags) => runCompare(flags as unknown as CompareFlags, io),
    );
}
