import yargs, { type Argv } from 'yargs';
import { MODEL_ARGUMENT, PAYLOAD_ARGUMENT, withOutput } from './arguments.js';
import { type ApplyFlags, runApply } from './commands/apply.js';
import { runDiff } from './commands/diff.js';
import { isLossy, type LossyFlags, runLossyDiff } from './commands/diff-lossy.js';
import { type FingerprintFlags, runFingerprint } from './commands/fingerprint.js';
import { type InfoFlags, runInfo } from './commands/info.js';
import { runVerify, type VerifyFlags } from './commands/verify.js';
import { EXIT, summarise, UsageError } from './exit-codes.js';
import { Interrupted, type Io } from './io.js';
import { addReleases } from './release-commands.js';
import { REPEATED } from './release-flags.js';
import { addReports } from './report-commands.js';
import { addSequences } from './sequence-commands.js';
import { addTraining } from './training-commands.js';
import { addUpdates } from './update-commands.js';

/**
 * Runs one command line.
 *
 * @param args the arguments after the program's name
 * @param io where it writes and how it is stopped
 * @returns the exit status
 */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const ended = { status: EXIT.done as number };
  try {
    await commandLine(args, io, ended).parseAsync();
    return ended.status;
  } catch (error) {
    return report(error, { io, json: args.includes('--json') });
  }
}

/** @param ended where a command that has ended, but not well, leaves its exit status */
function commandLine(args: readonly string[], io: Io, ended: { status: number }): Argv {
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
    .middleware(keepLast, true)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    })
    .alias('help', 'h')
    .epilogue(
      'Exit status: 0 done or already current, 1 internal, 2 usage, 3 wrong base, 5 refused, 6 corrupt payload, 7 no space, 8 network, 9 self-test failed, 10 gate failed',
    )
    .wrap(110);
  addTraining(parser, io, ended);
  addDiff(parser, io);
  addApply(parser, io);
  addSequences(parser, io);
  addReports(parser, io, ended);
  addReleases(parser, io);
  addUpdates(parser, io);
  addReaders(parser, io);
  return parser;
}

/** Arguments of which there may be several, whatever the command. */
const LISTS: readonly string[] = [
  ...['_', 'payloads', 'chain', 'key', 'root-key', 'rootKey', 'targets-key', 'targetsKey'],
  ...['online-key', 'onlineKey', 'add-key', 'addKey', 'remove-key', 'removeKey', 'withdraw'],
];

/** Those that may be given again to some commands; to others they mean one thing. */
const LISTS_OF: Readonly<Record<string, readonly string[]>> = {
  sign: ['device-class', 'deviceClass', 'metric'],
  publish: ['device-class', 'deviceClass', 'metric'],
  report: ['payload', 'bench'],
};

/** Flags given again replace those before. */
function keepLast(given: Record<string, unknown>): void {
  const [command] = given._ as readonly unknown[];
  const lists = [...LISTS, ...(LISTS_OF[String(command)] ?? [])];
  for (const [name, value] of Object.entries(given))
    if (Array.isArray(value) && !lists.includes(name)) given[name] = value.at(-1);
}

function addDiff(parser: Argv, io: Io): void {
  parser.command(
    'diff <base> <next>',
    'Pack what makes one model of another, wherever they were trained: bit for bit, or near it',
    (y) =>
      withOutput(y, 'Payload file to write')
        .positional('base', MODEL_ARGUMENT)
        .positional('next', {
          ...MODEL_ARGUMENT,
          describe: 'Model with tensors of the same shapes, of other names perhaps',
        })
        .option('rename', {
          type: 'boolean',
          default: true,
          describe: 'Find tensors that have other names; --no-rename refuses them',
        })
        .option('cast', {
          type: 'boolean',
          default: false,
          describe: 'Cast float32 to float16 or bfloat16, as the base has them, and back',
        })
        .option('min-saving', {
          type: 'string',
          describe: 'End with status 10 unless the diff is so much smaller than the compressed model, as 10%',
        })
        .option('lossy', {
          type: 'string',
          describe: 'Leave at most this share of the change of each tensor, as 5%, to save bytes',
        })
        .option('budget', {
          type: 'string',
          describe: 'Instead of --lossy: the least error in so many bytes: 5%, 20kB, 20000',
        })
        .option('workers', {
          type: 'number',
          describe: 'Threads for large models, 1 to 16; by default one a processor, 8 at most',
        })
        .example('$0 diff models/v1.safetensors models/v2.safetensors -o v2.ndiff', '')
        .example('$0 diff models/v1 models/v2.h5 -o v2.ndiff', '')
        .example('$0 diff models/v1-float16.safetensors models/v2.safetensors --cast -o v2.ndiff', '')
        .example('$0 diff models/v1.safetensors models/v2.safetensors --lossy 5% -o v2.ndiff', ''),
    async (flags) => {
      const lossyFlags = flags as unknown as LossyFlags;
      await (isLossy(lossyFlags) ? runLossyDiff : runDiff)(lossyFlags, io);
    },
  );
}

function addApply(parser: Argv, io: Io): void {
  parser.command(
    'apply <base> <payload>',
    'Copy a model and patch the copy, or patch the model itself',
    (y) =>
      withOutput(y, 'Folder or file to write', { isRequired: false })
        .positional('base', MODEL_ARGUMENT)
        .positional('payload', PAYLOAD_ARGUMENT)
        .option('in-place', {
          type: 'boolean',
          default: false,
          describe: 'Patch the model itself; after a power cut the next run undoes what was half done',
        })
        .example('$0 apply models/v1.safetensors v2.ndiff --in-place', '')
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
          .positional('model', MODEL_ARGUMENT)
          .positional('payload', PAYLOAD_ARGUMENT)
          .option('release', { type: 'string', describe: 'Signed release that the payload must be' })
          .option('key', { ...REPEATED, describe: 'With --release: public key; may be given again' })
          .option('threshold', { type: 'number', describe: 'With --release: keys that must have signed (1)' })
          .option('counter', { type: 'number', describe: 'With --release: counter that the device has' })
          .option('device-class', { type: 'string', describe: 'With --release: class of the device' })
          .example('$0 verify models/v1 v2.ndiff', '')
          .example(
            '$0 verify models/v1 v2.ndiff --release v2.ndiff.release.json --key keys/targets.pub.json',
            '',
          ),
      (flags) => runVerify(flags as unknown as VerifyFlags, io),
    )
    .command(
      'info <file>',
      'Print what a payload says of itself, or which tensors a model has',
      (y) =>
        y
          .positional('file', { ...PAYLOAD_ARGUMENT, describe: 'Payload file, or a model' })
          .option('base', {
            type: 'string',
            describe: 'The model that a payload is for: show what changes which tensor',
          })
          .example('$0 info v2.ndiff --json', '')
          .example('$0 info models/v1.safetensors', '')
          .example('$0 info v2.ndiff --base models/v1', ''),
      (flags) => runInfo(flags as unknown as InfoFlags, io),
    )
    .command(
      'fingerprint <model>',
      'Print the identity of a model',
      (y) => y.positional('model', MODEL_ARGUMENT).example('$0 fingerprint models/v1', ''),
      (flags) => runFingerprint(flags as unknown as FingerprintFlags, io),
    );
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
  const isAbort = error === signal.reason || (error as Error | undefined)?.name === 'AbortError';
  if (signal.aborted && isAbort) {
    const message = error instanceof Interrupted ? error.message : 'interrupted; nothing was written';
    return { code: 'interrupted', status: EXIT.interrupted, message, facts: {} };
  }
  const summary = summarise(error);
  const { code, message } = summary;
  if (code === 'usage') return { ...summary, message: `${message}. See neural-diff --help` };
  return code === 'internal' ? summary : { ...summary, message: `${message} (${code})` };
}
