// From requests in words to two patched models: `npm run demo -- intents`, or with `--json`.
import { runClassifierDemo } from '../common/classifier-demo.js';
import { SourceError } from '../common/source-error.js';
import { loadIntentData } from './data.js';
import { createIntentModel } from './model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from './training.js';

const HELP = `Trains a classifier of requests, learns an update as both kinds of diff, and patches two copies with them.

  npm run demo -- intents                       a table on stdout
  npm run -s demo -- intents --json             one JSON document on stdout
  npm run demo -- intents --keep DIR --seed 2   keep models and payloads; another seed
`;

await runClassifierDemo({
  help: HELP,
  unit: 'sentences',
  createModel: createIntentModel,
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  load: async ({ seed, folder, signal }) => {
    if (folder === undefined) return loadIntentData({ seed, signal });
    throw new SourceError(
      'no-folder',
      'Cannot use --data: sentences come from the package @withfig/autocomplete',
    );
  },
});
