import { checkOutput, writeOutput } from '../../src/node/output.js';
import { describeRejection } from '../../src/updater/missed-release.js';
import type { UpdaterStatus } from '../../src/updater/updater.js';
import { defineCommand } from '../command.js';
import { FORCE, UPDATER_FLAGS } from '../flags.js';
import { remarkInterrupted } from '../interrupted.js';
import { countOf, printResult, remark } from '../io.js';
import { findOtherTrial, withUpdater } from '../model-updater.js';
import { describeWithdrawal, storedWithdrawal } from '../withdrawn.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Show the model of a device and the state of its last update',
  args: {},
  flags: {
    ...UPDATER_FLAGS,
    evidence: {
      type: 'string',
      placeholder: 'file',
      description: 'Write a JSON record of what was installed, when, and which keys signed it',
    },
    force: FORCE,
  },
  examples: [
    { description: 'Show whether a model is on trial', run: 'status --model models/v1.safetensors' },
    {
      description: 'Keep a record for an audit',
      run: 'status --model models/v1.safetensors --evidence evidence.json',
    },
  ],
  async handle(flags, io) {
    await withUpdater(flags, io, async ({ updater, ...own }) => {
      const status = await updater.status();
      const withdrawn = await storedWithdrawal(
        { disk: own.storage.disk, folder: own.folder },
        status.fingerprint,
      );
      const other = await findOtherTrial(own, async () => status.fingerprint);
      const interrupted = await remarkInterrupted(flags.model, flags, io);
      printResult(io, flags, {
        json: { ...status, ...interrupted, ...(other && { other }), ...(withdrawn && { withdrawn }) },
        lines: [
          ...linesOf(status, interrupted.isInterrupted ? 'interrupted update' : otherTrial(other)),
          ...(withdrawn ? [describeWithdrawal(withdrawn)] : []),
        ],
      });
      if (flags.evidence === undefined) return;
      await checkOutput(flags.evidence, flags);
      const record = { at: new Date().toISOString(), ...status, installed: await updater.history() };
      await writeOutput(flags.evidence, Buffer.from(`${JSON.stringify(record, null, 2)}\n`), flags);
      remark(io, flags, `wrote ${flags.evidence}: ${countOf(record.installed.length, 'release')}`);
    });
  },
});

const otherTrial = (folder?: string): string | undefined =>
  folder && `trial of the updater in ${folder}: give --updates ${folder}`;

function linesOf(
  { status, fingerprint, counter, trial, rejectedModels, rejectedReleases = [] }: UpdaterStatus,
  instead: string | undefined,
): string[] {
  return [
    `model    ${fingerprint}`,
    `counter  ${counter}`,
    `status   ${trial ? `${status}: ${trial.names.join(', ')}, ${countOf(trial.starts, 'start')}` : (instead ?? status)}`,
    ...rejectedModels.map((rejected) => `held back  ${describeRejection(rejected)}`),
    ...rejectedReleases.map(({ name, code }) => `held back  ${name} was rejected (${code})`),
  ];
}
