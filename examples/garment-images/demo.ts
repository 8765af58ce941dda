// From garments in pictures to two patched models: `npm run demo -- garments`, or with `--json`.
import { runClassifierDemo } from '../common/classifier-demo.js';
import { loadGarmentData } from './data.js';
import { createGarmentModel } from './model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from './training.js';

const HELP = `Trains a classifier of garments, learns an update as both kinds of diff, and patches two copies with them.

  npm run demo -- garments                       with the pictures of the Debian package dataset-fashion-mnist
  npm run demo -- garments --data DIR            with its four files elsewhere
  npm run -s demo -- garments --json             one JSON document on stdout
  npm run demo -- garments --keep DIR --seed 2   keep models and payloads; another seed
`;

await runClassifierDemo({
  help: HELP,
  unit: 'pictures',
  createModel: createGarmentModel,
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  load: ({ seed, folder, signal }) =>
    loadGarmentData({ seed, signal, ...(folder !== undefined && { folder }) }),
});
