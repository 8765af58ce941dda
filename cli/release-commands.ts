import type { Argv } from 'yargs';
import { PAYLOAD_ARGUMENT, withOutput } from './arguments.js';
import { type KeysFlags, runKeys } from './commands/keys.js';
import { type PublishFlags, runPublish } from './commands/publish.js';
import { runSign, type SignFlags } from './commands/sign.js';
import type { Io } from './io.js';
import { REPEATED, withDraftFlags } from './release-flags.js';

const EPILOGUE =
  'Exit status 5: too few signatures, or an order of releases that is not kept; see also neural-diff --help';

/** Adds the commands for signed releases. */
export function addReleases(parser: Argv, io: Io): void {
  addKeys(parser, io);
  addSign(parser, io);
  addPublish(parser, io);
}

function addKeys(parser: Argv, io: Io): void {
  parser.command(
    'keys <action>',
    'Make a key that signs releases',
    (y) =>
      y
        .positional('action', { choices: ['generate'] as const, demandOption: true, describe: 'generate' })
        .option('out', {
          alias: 'o',
          type: 'string',
          demandOption: true,
          describe: 'Path without an ending: writes PATH.key.json, the private half, and PATH.pub.json',
        })
        .example('$0 keys generate -o keys/targets', ''),
    (flags) => runKeys(flags as unknown as KeysFlags, io),
  );
}

function addSign(parser: Argv, io: Io): void {
  parser.command(
    'sign <payload>',
    'Apply a payload to its base, without writing, and sign what comes of it as a file of its own',
    (y) =>
      withDraftFlags(
        withOutput(y, 'Release to write; PAYLOAD.release.json by default', { isRequired: false }),
      )
        .positional('payload', {
          ...PAYLOAD_ARGUMENT,
          describe: 'Payload file, or a whole model in one file',
        })
        .option('key', { ...REPEATED, demandOption: true, describe: 'Private key; may be given again' })
        .example('$0 sign v2.ndiff --base models/v1 --key keys/targets.key.json --counter 2', '')
        .example('$0 sign v2.safetensors --key keys/targets.key.json --counter 2', '')
        .epilogue(EPILOGUE),
    (flags) => runSign(flags as unknown as SignFlags, io),
  );
}

function addPublish(parser: Argv, io: Io): void {
  parser.command(
    'publish <folder>',
    'Add a release to a TUF repository, begin one, or change its keys and dates',
    (y) =>
      withDraftFlags(withKeyFlags(y))
        .positional('folder', {
          type: 'string',
          demandOption: true,
          describe: 'Repository: metadata and targets',
        })
        .option('payload', {
          type: 'string',
          describe: 'Payload file, or a whole model in one file, to release',
        })
        .option('withdraw', { ...REPEATED, describe: 'Name of a release that no device is to take any more' })
        .option('refresh', {
          type: 'string',
          describe: 'Sign snapshot and timestamp anew, for later dates; other roles by name: root,targets',
        })
        .option('dry-run', { type: 'boolean', default: false, describe: 'Check everything, write nothing' })
        .example('$0 publish releases --init --root-key keys/root.key.json --key keys/targets.key.json', '')
        .example(
          '$0 publish releases --payload v2.ndiff --base models/v1 --key keys/targets.key.json --counter 2',
          '',
        )
        .example('$0 publish releases --refresh --key keys/online.key.json', '')
        .example(
          '$0 publish releases --rotate targets --remove-key keys/old.pub.json --add-key keys/new.key.json --key keys/root.key.json --key keys/online.key.json',
          '',
        )
        .epilogue(EPILOGUE),
    (flags) => runPublish(flags as unknown as PublishFlags, io),
  );
}

function withKeyFlags(parser: Argv): Argv {
  return parser
    .option('key', { ...REPEATED, describe: 'Private key; may be given again' })
    .option('init', { type: 'boolean', default: false, describe: 'Begin the repository' })
    .option('root-key', { ...REPEATED, describe: 'With --init: key of the root role; --key by default' })
    .option('targets-key', {
      ...REPEATED,
      describe: 'With --init: key of the targets role; --key by default',
    })
    .option('online-key', {
      ...REPEATED,
      describe: 'With --init: key of the snapshot and timestamp roles; --key by default',
    })
    .option('threshold', {
      type: 'number',
      describe: 'Keys of root and targets that must sign (1); with --rotate, those of the roles named',
    })
    .option('rotate', {
      type: 'string',
      describe: 'Change the keys of roles: root,targets,snapshot,timestamp',
    })
    .option('add-key', { ...REPEATED, describe: 'With --rotate: a key that comes' })
    .option('remove-key', { ...REPEATED, describe: 'With --rotate: a key that goes' });
}
