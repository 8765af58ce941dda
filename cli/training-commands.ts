import type { Argv } from 'yargs';
import { BACKEND_OPTION, CHAIN_OPTION, SEED_OPTION, withOutput } from './arguments.js';
import { type FineTuneFlags, runFineTune } from './commands/fine-tune.js';
import { runSweep, type SweepFlags } from './commands/sweep.js';
import { runTrain, type TrainFlags } from './commands/train.js';
import type { Io } from './io.js';
import { isSearch, KIND_CHOICES, type SearchFlags, withSearch } from './search/flags.js';
import { runSearch } from './search/run-search.js';

/** Adds the commands that train. */
export function addTraining(parser: Argv, io: Io, ended: { status: number }): void {
  addTrain(parser, io, ended);
  addFineTune(parser, io);
  addSweep(parser, io, ended);
}

function addTrain(parser: Argv, io: Io, ended: { status: number }): void {
  parser.command(
    'train <kind>',
    'Train a diff of a model by a recipe, within a budget of bytes or as small as a gap allows',
    (y) =>
      withSearch(withTraining(withOutput(y, 'Payload file to write')))
        .positional('kind', {
          choices: KIND_CHOICES,
          demandOption: true,
          describe: 'Kind of diff; auto takes the best on validation data',
        })
        .option('seed', SEED_OPTION)
        .example('$0 train hash --base models/v1 --recipe recipe.mjs --budget 0.5% --seed 7 -o v2.ndiff', '')
        .example(
          '$0 train hash --base models/v1 --chain v2.ndiff --recipe recipe.mjs --budget 0.5% -o v3.ndiff',
          '',
        ),
    async (flags) => {
      const searchFlags = flags as unknown as SearchFlags;
      if (isSearch(searchFlags)) ended.status = await runSearch(searchFlags, io);
      else await runTrain(flags as unknown as TrainFlags, io);
    },
  );
}

function addFineTune(parser: Argv, io: Io): void {
  parser.command(
    'fine-tune',
    'Train all weights by a recipe: the reference that diffs are trained by, and that reports compare with',
    (y) =>
      withRecipe(withOutput(y, 'LayersModel folder to write'))
        .option('seed', SEED_OPTION)
        .example('$0 fine-tune --base models/v1 --recipe recipe.mjs --seed 7 -o models/v2-full', ''),
    (flags) => runFineTune(flags as unknown as FineTuneFlags, io),
  );
}

function addSweep(parser: Argv, io: Io, ended: { status: number }): void {
  parser.command(
    'sweep',
    'Train a diff for every kind, budget and seed, several at once',
    (y) =>
      withTraining(withOutput(y, 'Folder for payloads and results.json'))
        .option('kinds', { type: 'string', demandOption: true, describe: 'hash, sparse, or hash,sparse' })
        .option('budgets', { type: 'string', demandOption: true, describe: 'Budgets with commas between' })
        .option('seeds', {
          type: 'string',
          describe: 'Seeds with commas between; by default one of its own for every base',
        })
        .option('workers', { type: 'number', describe: 'Diffs at once; by default one a processor' })
        .option('resume', {
          type: 'boolean',
          default: false,
          describe: 'Keep what results.json lists, train the rest',
        })
        .example(
          '$0 sweep --base models/v1 --recipe recipe.mjs --kinds hash,sparse --budgets 0.25%,0.5%,1% --seeds 1,2 -o v2',
          '',
        )
        .epilogue('Exit status: as all failed jobs have it, 1 if they differ; see also neural-diff --help'),
    async (flags) => {
      ended.status = await runSweep(flags as unknown as SweepFlags, io);
    },
  );
}

function withTraining(parser: Argv): Argv {
  return withRecipe(parser)
    .option('epochs', { type: 'number', describe: 'Epochs of the diff' })
    .option('learning-rate', { type: 'number', describe: 'Peak learning rate of the diff' });
}

/** Flags of every command that needs a recipe. */
export function withRecipe(parser: Argv): Argv {
  return parser
    .option('base', { type: 'string', demandOption: true, describe: 'LayersModel folder that devices have' })
    .option('chain', CHAIN_OPTION)
    .option('recipe', {
      type: 'string',
      demandOption: true,
      describe: 'ES module with data, loss and metrics',
    })
    .option('batch-size', { type: 'number', describe: 'Examples a step' })
    .option('backend', BACKEND_OPTION);
}
