import { defineCommand } from '../command.js';
import { UPDATER_FLAGS } from '../flags.js';
import { printResult } from '../io.js';
import { refuseOtherTrial, withUpdater } from '../model-updater.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'End the trial of an updated model and restore the previous model',
  args: {},
  flags: UPDATER_FLAGS,
  examples: [{ description: 'Restore the previous model', run: 'rollback --model models/v1.safetensors' }],
  exits: { refused: 'Another updater has the model on trial' },
  async handle(flags, io) {
    await withUpdater(flags, io, async ({ updater, ...own }) => {
      await refuseOtherTrial(own);
      const isRolledBack = await updater.rollback();
      const { fingerprint, counter } = await updater.status();
      const word = isRolledBack ? 'rolled back to' : 'not on trial';
      const json = { isRolledBack, fingerprint, counter };
      printResult(io, flags, { json, lines: [`${word}: ${fingerprint}`] });
    });
  },
});
