import { describeRejection } from '../../src/updater/missed-release.js';
import type { UpdaterStatus } from '../../src/updater/updater.js';
import { defineCommand } from '../command.js';
import { UPDATER_FLAGS } from '../flags.js';
import { printResult } from '../io.js';
import { findOtherTrial, withUpdater } from '../model-updater.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Show the model of a device and the state of its last update',
  args: {},
  flags: UPDATER_FLAGS,
  examples: [
    { description: 'Show whether a model is on trial', run: 'status --model models/v1.safetensors' },
  ],
  async handle(flags, io) {
    await withUpdater(flags, io, async ({ updater, ...own }) => {
      const status = await updater.status();
      const other = await findOtherTrial(own, async () => status.fingerprint);
      printResult(io, flags, { json: { ...status, ...(other && { other }) }, lines: linesOf(status, other) });
    });
  },
});

function linesOf(
  { status, fingerprint, counter, trial, rejectedModels, rejectedReleases = [] }: UpdaterStatus,
  other?: string,
): string[] {
  const settled = other ? `trial of the updater in ${other}: give --updates ${other}` : status;
  return [
    `model    ${fingerprint}`,
    `counter  ${counter}`,
    `status   ${trial ? `${status}: ${trial.names.join(', ')}, ${trial.starts} starts` : settled}`,
    ...rejectedModels.map((rejected) => `held back  ${describeRejection(rejected)}`),
    ...rejectedReleases.map(({ name, code }) => `held back  ${name} was rejected (${code})`),
  ];
}
