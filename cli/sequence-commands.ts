import type { Argv } from 'yargs';
import { PAYLOAD_ARGUMENT, withOutput } from './arguments.js';
import { type ComposeFlags, runCompose } from './commands/compose.js';
import { type PlanFlags, runPlan } from './commands/plan.js';
import { type ReverseFlags, runReverse } from './commands/reverse.js';
import type { Io } from './io.js';

/** Adds the commands for payloads in a row. */
export function addSequences(parser: Argv, io: Io): void {
  parser
    .command(
      'compose <payloads..>',
      'Make one payload of payloads in a row',
      (y) =>
        withOutput(y, 'Payload file to write')
          .positional('payloads', {
            type: 'string',
            array: true,
            demandOption: true,
            describe: 'Payload files, each for the result of the one before',
          })
          .option('base', { type: 'string', demandOption: true, describe: 'Model that the first is for' })
          .example('$0 compose v2.ndiff v3.ndiff --base models/v1 -o v1-v3.ndiff', ''),
      (flags) => runCompose(flags as unknown as ComposeFlags, io),
    )
    .command(
      'reverse <payload>',
      'Make the payload that takes a payload back, bit for bit',
      (y) =>
        withOutput(y, 'Payload file to write')
          .positional('payload', PAYLOAD_ARGUMENT)
          .option('base', {
            type: 'string',
            demandOption: true,
            describe: 'Model that it is for',
          })
          .example('$0 reverse v2.ndiff --base models/v1 -o v2-v1.ndiff', ''),
      (flags) => runReverse(flags as unknown as ReverseFlags, io),
    )
    .command(
      'plan <folder>',
      'Say which payloads take a device from one model to another with the fewest bytes',
      (y) =>
        withEnds(y)
          .positional('folder', { type: 'string', demandOption: true, describe: 'Folder with *.ndiff' })
          .option('model', { type: 'string', describe: 'A model: count the full model as a way' })
          .option('full-bytes', {
            type: 'number',
            describe: 'Bytes of the full model, as a way',
            conflicts: 'model',
          })
          .option('compose', {
            type: 'boolean',
            default: true,
            describe: 'Count payloads yet to be composed',
          })
          .example('$0 plan updates --from models/v1 --to 3f2a --full-bytes 600332', ''),
      (flags) => runPlan(flags as unknown as PlanFlags, io),
    );
}

function withEnds(parser: Argv): Argv {
  const describe = 'fingerprint, the start of one, or a model';
  return parser
    .option('from', {
      type: 'string',
      demandOption: true,
      describe: `Model that the device has: ${describe}`,
    })
    .option('to', { type: 'string', demandOption: true, describe: `Model to get to: ${describe}` });
}
