import type { Argv } from 'yargs';
import { runDoctor } from './commands/doctor.js';
import { runConfirm, runRollback, runStatus, runUpdate } from './commands/update.js';
import type { Io } from './io.js';
import type { ModelFlags, UpdateFlags } from './with-updater.js';

/** Adds the commands of a device that follows a repository. */
export function addUpdates(parser: Argv, io: Io): void {
  addUpdate(parser, io);
  const readers = {
    status: [runStatus, 'Say which model a device has and how its last update stands'],
    confirm: [runConfirm, 'End the trial of an updated model: it stays'],
    rollback: [runRollback, 'End the trial of an updated model: the one before comes back'],
    doctor: [runDoctor, 'Look at all that updates of a model need, and put right what a power cut left'],
  } as const;
  for (const [name, [run, describe]] of Object.entries(readers))
    parser.command(
      name,
      describe,
      (y) => withModelFlag(y).example(`$0 ${name} --model models/v1.safetensors`, ''),
      (flags) => run(flags as unknown as ModelFlags, io),
    );
}

function withModelFlag(parser: Argv): Argv {
  return parser
    .option('model', {
      type: 'string',
      demandOption: true,
      describe: 'Model on this device, updated in place: a file, or a folder with one',
    })
    .option('updates', {
      type: 'string',
      describe: "Folder of the updater in the model's folder, where a program has its own; NAME.updates",
    });
}

function addUpdate(parser: Argv, io: Io): void {
  parser.command(
    'update',
    'Bring a model up to date from a repository, and put it on trial',
    (y) =>
      withModelFlag(y)
        .option('repo', {
          type: 'string',
          demandOption: true,
          describe: 'Repository of releases: address of a web server, or a folder',
        })
        .option('root', {
          type: 'string',
          demandOption: true,
          describe:
            'Root metadata that this device trusts: 1.root.json of the repository, brought here safely',
        })
        .option('device-class', { type: 'string', describe: 'Class of this device' })
        .option('full', {
          type: 'boolean',
          default: true,
          describe: 'Download the whole model where that is less, or no payload fits; --no-full never does',
        })
        .option('max-bytes', { type: 'number', describe: 'Do not download more than this' })
        .option('test', {
          type: 'string',
          describe:
            'Shell command that tries the new model, NEURAL_DIFF_MODEL; unless it ends with 0 the old one stays',
        })
        .option('confirm', { type: 'boolean', default: false, describe: 'Keep the model without a trial' })
        .option('dry-run', { type: 'boolean', default: false, describe: 'Plan, download nothing' })
        .example(
          '$0 update --model models/v1.safetensors --repo https://example.com/releases --root root.json',
          '',
        )
        .example(
          '$0 update --model m.onnx --repo releases --root root.json --test "node try.mjs" --confirm',
          '',
        )
        .epilogue(
          'Exit status 5: not trusted, or on trial; 8: network; 9: the test failed; see also neural-diff --help',
        ),
    (flags) => runUpdate(flags as unknown as UpdateFlags, io),
  );
}
