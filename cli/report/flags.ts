import type { Argv } from 'yargs';
import { BACKEND_OPTION, CHAIN_OPTION, SEED_OPTION } from '../arguments.js';
import { UsageError } from '../exit-codes.js';
import type { CommonFlags } from '../io.js';
import { REPEATED } from '../release-flags.js';

/** Flags of the commands that measure payloads. */
export interface MeasureFlags extends CommonFlags {
  readonly chain?: string;
  readonly next?: string;
  readonly recipe?: string;
  readonly seed?: number;
  readonly backend: 'wasm' | 'cpu';
}

/** Flags of `neural-diff report`. */
export interface ReportFlags extends MeasureFlags {
  readonly base?: string;
  readonly payload?: readonly string[];
  readonly applyRuns: number;
  readonly title?: string;
  readonly gate?: string;
  readonly against?: string;
  readonly bench?: readonly string[];
  readonly task?: string;
  readonly fleet?: string;
  readonly updates?: string;
  readonly fullBytes?: number;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Adds the flags of every command that measures payloads. */
export function withMeasuring(parser: Argv): Argv {
  return parser
    .option('chain', CHAIN_OPTION)
    .option('next', {
      type: 'string',
      describe: 'The full fine-tune, as neural-diff fine-tune writes it: what payloads are compared with',
    })
    .option('recipe', {
      type: 'string',
      describe: 'ES module whose test data accuracy is measured on; without it, sizes and times alone',
    })
    .option('seed', SEED_OPTION)
    .option('backend', BACKEND_OPTION);
}

/** Adds the flags of a report. */
export function withReport(parser: Argv): Argv {
  return withMeasuring(parser)
    .option('base', { type: 'string', describe: 'Model that devices have' })
    .option('payload', { ...REPEATED, describe: 'Payload file; may be given again' })
    .option('apply-runs', {
      type: 'number',
      default: 5,
      describe: 'Times that each payload is applied in a process of its own; 0 for never',
    })
    .option('title', { type: 'string', describe: 'Heading; by default what the report is of' })
    .option('gate', {
      type: 'string',
      describe: 'JSON file of what a payload must keep to; status 10 when none does',
    })
    .option('against', { type: 'string', describe: 'An earlier report.json, to compare with' })
    .option('bench', {
      ...REPEATED,
      describe: 'Document of bench:accuracy or bench:sequence; alone, or beside what is measured',
    })
    .option('task', { type: 'string', describe: 'With --bench: task of the documents' })
    .option('fleet', { type: 'string', describe: 'CSV file with columns version and devices' })
    .option('updates', { type: 'string', describe: 'With --fleet: folder with the other payloads there are' })
    .option('full-bytes', {
      type: 'number',
      describe: 'With --fleet: bytes of the full model as devices download it; by default compressed',
    });
}

/**
 * Says whether payloads are to be measured.
 *
 * @throws UsageError for flags that do not go together
 */
export function checkReportFlags(flags: ReportFlags): { isMeasured: boolean } {
  const { base, payload = [], bench = [], task, fleet, updates, fullBytes } = flags;
  const isMeasured = base !== undefined || payload.length > 0;
  if (!isMeasured && bench.length === 0) throw new UsageError('Expected --base and --payload, or --bench');
  if (isMeasured && (base === undefined || payload.length === 0))
    throw new UsageError('Expected --base and --payload together');
  const measuring = ['chain', 'next', 'recipe', 'gate', 'against', 'fleet'] as const;
  const idle = measuring.find((name) => !isMeasured && flags[name] !== undefined);
  if (idle !== undefined) throw new UsageError(`Expected --${idle} with --base and --payload alone`);
  if (task !== undefined && bench.length === 0) throw new UsageError('Expected --task with --bench alone');
  if (fullBytes !== undefined && !(Number.isSafeInteger(fullBytes) && fullBytes >= 0))
    throw new UsageError('Expected --full-bytes to be a whole number of at least 0');
  if (fleet === undefined && (updates !== undefined || fullBytes !== undefined))
    throw new UsageError('Expected --updates and --full-bytes with --fleet alone');
  return { isMeasured };
}
