import { fingerprint } from '../../src/model/fingerprint.js';
import { nodeSha256 } from '../../src/node/node-sha256.js';
import { defineCommand } from '../command.js';
import { MODEL, PROGRESS } from '../flags.js';
import { remarkInterrupted } from '../interrupted.js';
import { printResult } from '../io.js';
import { withModel } from '../open.js';
import { byteProgress } from '../progress.js';

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Print the fingerprint of a model',
  details: [
    'The fingerprint depends on the names, types, shapes and values of the tensors, not on the file. ' +
      'Payloads identify models by their fingerprints.',
  ],
  args: { model: MODEL },
  flags: { progress: PROGRESS },
  examples: [{ description: 'Print the fingerprint of a model folder', run: 'fingerprint models/v1' }],
  async handle(flags, io) {
    const interrupted = await remarkInterrupted(flags.model, flags, io);
    const progress = byteProgress(io, flags);
    const json = await withModel({ path: flags.model }, async (store) => {
      const options = { sha256: nodeSha256, signal: io.signal, onProgress: progress.report };
      const found = await fingerprint(store, options);
      return { fingerprint: found, tensors: store.tensors };
    }).finally(() => progress.finish());
    printResult(io, flags, { json: { ...json, ...interrupted }, lines: [json.fingerprint] });
  },
});
