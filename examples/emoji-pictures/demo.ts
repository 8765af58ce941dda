// From pictures to two patched models: `npm run demo -- emoji`, or with `--json`.
import { runClassifierDemo } from '../common/classifier-demo.js';
import { SourceError } from '../common/source-error.js';
import { loadEmojiData } from './data.js';
import { createEmojiModel } from './model.js';
import { BASE_TRAINING, DIFF_EPOCHS, FINE_TUNING } from './training.js';

const HELP = `Trains a classifier of what emoji show, learns an update as both kinds of diff, and patches two copies with them.

  npm run demo -- emoji                       downloads two versions of the package emoji-datasource once (47 MB)
  npm run -s demo -- emoji --json             one JSON document on stdout
  npm run demo -- emoji --keep DIR --seed 2   keep models and payloads; another seed
`;

await runClassifierDemo({
  help: HELP,
  unit: 'pictures',
  createModel: createEmojiModel,
  baseTraining: BASE_TRAINING,
  fineTuning: FINE_TUNING,
  diffEpochs: DIFF_EPOCHS,
  load: async ({ seed, folder, signal }) => {
    if (folder === undefined) return loadEmojiData({ seed, signal });
    throw new SourceError('no-folder', 'Cannot use --data: pictures come from the package emoji-datasource');
  },
});
