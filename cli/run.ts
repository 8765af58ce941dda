import yargs, { type Argv } from 'yargs';
import { NeuralDiffError } from '../src/index.js';
import { type ApplyFlags, runApply } from './commands/apply.js';
import { type FingerprintFlags, runFingerprint } from './commands/fingerprint.js';
import { type InfoFlags, runInfo } from './commands/info.js';
import { runTrain, type TrainFlags } from './commands/train.js';
import { runVerify, type VerifyFlags } from './commands/verify.js';
import { EXIT, STATUS_OF } from './exit-codes.js';
import type { Io } from './io.js';

/** Thrown for a command line that cannot be understood. */
class UsageError extends Error {}

/**
 * Runs one command line.
 *
 * @param args the arguments after the program's name
 * @param io where it writes and how it is stopped
 * @returns the exit status
 */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  try {
    await commandLine(args, io).parseAsync();
    return EXIT.done;
  } catch (error) {
    return report(error, { io, json: args.includes('--json') });
  }
}

function commandLine(args: readonly string[], io: Io): Argv {
  const parser = yargs([...args])
    .scriptName('neural-diff')
    .usage('$0 <command>\n\nCompact updates to the weights of neural networks that already sit on devices')
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document on stdout' })
    .option('quiet', {
      alias: 'q',
      type: 'boolean',
      default: false,
      describe: 'No progress and no remarks on stderr',
    })
    .demandCommand(1, 'Expected a command')
    .strict()
    .recommendCommands()
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    })
    .alias('help', 'h')
    .epilogue(
      'Exit status: 0 done or already current, 1 internal, 2 usage, 3 wrong base, 6 corrupt payload, 7 no space',
    )
    .wrap(110);
  addTrain(parser, io);
  addApply(parser, io);
  addReaders(parser, io);
  return parser;
}

function addTrain(parser: Argv, io: Io): void {
  parser.command(
    'train <kind>',
    'Train a diff of a model by a recipe, within a budget of bytes',
    (y) =>
      withOutput(y, 'Payload file to write')
        .positional('kind', { choices: ['sparse', 'hash'] as const, demandOption: true })
        .option('base', {
          type: 'string',
          demandOption: true,
          describe: 'LayersModel folder that devices have',
        })
        .option('recipe', {
          type: 'string',
          demandOption: true,
          describe: 'ES module with data, loss and metrics',
        })
        .option('budget', {
          type: 'string',
          demandOption: true,
          describe: 'Most bytes of the payload: 0.7%, 20kB, 20000',
        })
        .option('seed', { type: 'number', default: 0, describe: 'Take another for every update' })
        .option('epochs', { type: 'number', describe: 'Epochs of the diff' })
        .option('batch-size', { type: 'number', describe: 'Examples a step' })
        .option('learning-rate', { type: 'number', describe: 'Peak learning rate of the diff' })
        .option('backend', {
          choices: ['wasm', 'cpu'] as const,
          default: 'wasm' as const,
          describe: 'TensorFlow.js backend',
        })
        .example('$0 train hash --base models/v1 --recipe recipe.mjs --budget 0.5% --seed 7 -o v2.ndiff', ''),
    (flags) => runTrain(flags as unknown as TrainFlags, io),
  );
}

function addApply(parser: Argv, io: Io): void {
  parser.command(
    'apply <base> <payload>',
    'Copy a model and patch the copy',
    (y) =>
      withOutput(y, 'Folder to write')
        .positional('base', { type: 'string', demandOption: true, describe: 'LayersModel folder' })
        .positional('payload', { type: 'string', demandOption: true, describe: 'Payload file' })
        .example('$0 apply models/v1 v2.ndiff -o models/v2', ''),
    (flags) => runApply(flags as unknown as ApplyFlags, io),
  );
}

function addReaders(parser: Argv, io: Io): void {
  parser
    .command(
      'verify <model> <payload>',
      'Say whether a payload fits a model; write nothing',
      (y) =>
        y
          .positional('model', { type: 'string', demandOption: true, describe: 'LayersModel folder' })
          .positional('payload', { type: 'string', demandOption: true, describe: 'Payload file' })
          .example('$0 verify models/v1 v2.ndiff', ''),
      (flags) => runVerify(flags as unknown as VerifyFlags, io),
    )
    .command(
      'info <payload>',
      'Print what a payload says of itself',
      (y) =>
        y
          .positional('payload', { type: 'string', demandOption: true, describe: 'Payload file' })
          .example('$0 info v2.ndiff --json', ''),
      (flags) => runInfo(flags as unknown as InfoFlags, io),
    )
    .command(
      'fingerprint <model>',
      'Print the identity of a model',
      (y) =>
        y
          .positional('model', { type: 'string', demandOption: true, describe: 'LayersModel folder' })
          .example('$0 fingerprint models/v1', ''),
      (flags) => runFingerprint(flags as unknown as FingerprintFlags, io),
    );
}

function withOutput(parser: Argv, describe: string): Argv {
  return parser
    .option('out', { alias: 'o', type: 'string', demandOption: true, describe })
    .option('force', { alias: 'f', type: 'boolean', default: false, describe: 'Replace an existing output' })
    .option('dry-run', { type: 'boolean', default: false, describe: 'Check everything, write nothing' });
}

/** Says what went wrong, in words on stderr and, on request, as JSON on stdout. */
function report(error: unknown, { io, json }: { io: Io; json: boolean }): number {
  const { code, status, message, facts } = classify(error, io.signal);
  if (json) io.out(`${JSON.stringify({ error: { code, message, ...facts } }, null, 2)}\n`);
  io.err(`neural-diff: ${message}\n`);
  if (status === EXIT.internal && error instanceof Error && error.stack) io.err(`${error.stack}\n`);
  return status;
}

function classify(error: unknown, signal: AbortSignal) {
  const message = error instanceof Error ? error.message : String(error);
  const isAbort = error === signal.reason || (error as Error | undefined)?.name === 'AbortError';
  if (signal.aborted && isAbort) {
    return { code: 'interrupted', status: EXIT.interrupted, message: 'interrupted; nothing was written' };
  }
  if (error instanceof NeuralDiffError) {
    return {
      code: error.code,
      status: STATUS_OF[error.code],
      message: `${message} (${error.code})`,
      facts: error.facts,
    };
  }
  if (error instanceof UsageError || error instanceof RangeError) {
    return { code: 'usage', status: EXIT.usage, message: `${message}. See neural-diff --help` };
  }
  return { code: 'internal', status: EXIT.internal, message };
}
