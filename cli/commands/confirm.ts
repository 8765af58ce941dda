import { defineCommand } from '../command.js';
import { UPDATER_FLAGS } from '../flags.js';
import { printResult } from '../io.js';
import { refuseOtherTrial, withUpdater } from '../model-updater.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'End the trial of an updated model and keep the model',
  args: {},
  flags: UPDATER_FLAGS,
  examples: [{ description: 'Keep the updated model', run: 'confirm --model models/v1.safetensors' }],
  exits: { refused: 'Another updater has the model on trial' },
  async handle(flags, io) {
    await withUpdater(flags, io, async ({ updater, ...own }) => {
      await refuseOtherTrial(own);
      await updater.confirm();
      const { status, fingerprint, counter } = await updater.status();
      const json = { status, fingerprint, counter };
      printResult(io, flags, { json, lines: [`confirmed: ${fingerprint}`] });
    });
  },
});
