import type { UpdatePlan } from '../../src/updater/plan-update.js';
import type { UpdateOutcome } from '../../src/updater/updater.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { PROGRESS, UPDATER_FLAGS } from '../flags.js';
import { type Io, printResult, remark } from '../io.js';
import { REPOSITORY_FLAGS, refuseOtherTrial, withUpdater } from '../model-updater.js';
import { keepHeapSmall } from '../open.js';
import { describeWithdrawal, withdrawalOf } from '../withdrawn.js';

const FLAGS = {
  progress: PROGRESS,
  ...UPDATER_FLAGS,
  ...REPOSITORY_FLAGS,
  confirm: { type: 'boolean', description: 'Keep the model without a trial' },
  retryRejected: {
    type: 'boolean',
    description: 'Retry models and releases that were rolled back, failed their test or were rejected',
  },
  dryRun: { type: 'boolean', description: 'Plan the update, download no payload' },
} as const satisfies Flags;

type UpdateFlags = FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Update a model from a repository of releases',
  details: [
    'Checks the signatures, downloads as few bytes as possible, patches the model in place, and puts ' +
      'it on trial: neural-diff confirm keeps it, neural-diff rollback restores the previous model. ' +
      '--confirm keeps it without a trial. After a power loss, the next run continues or undoes the update.',
  ],
  args: {},
  flags: FLAGS,
  examples: [
    {
      description: 'Update a model from a web server',
      run: 'update --model models/v1.safetensors --repo https://example.com/releases --root root.json',
    },
    {
      description: 'Update a model from a folder, and keep it if a program accepts it',
      run: 'update --model m.onnx --repo releases --root root.json --test "node try.mjs" --confirm',
    },
  ],
  exits: {
    refused: 'The release is not trusted, or the model is on trial',
    network: 'The repository cannot be reached',
    healthCheck: 'The test failed; the old model is restored',
    missed: 'A newer release is unreachable, held back or over --max-bytes; nothing was changed',
  },
  async handle(flags, io) {
    keepHeapSmall();
    return withUpdater(flags, io, async ({ updater, ...own }) => {
      const call = { signal: io.signal, retryRejected: flags.retryRejected };
      if (flags.dryRun) return report(await updater.check(call), flags, io);
      await refuseOtherTrial(own);
      await updater.recover();
      const outcome = await updater.update(undefined, call);
      const isConfirmed = outcome.status === 'updated' && flags.confirm;
      if (isConfirmed) await updater.confirm();
      return report(isConfirmed ? { ...outcome, counter: outcome.plan?.counter ?? 0 } : outcome, flags, io);
    });
  },
});

/** @returns the exit status */
function report(outcome: UpdateOutcome, flags: UpdateFlags, io: Io): number {
  const { status, plan, missed, withdrawn, fingerprint, counter } = outcome;
  const isTrial = status === 'updated' && !flags.confirm;
  printResult(io, flags, {
    json: {
      ...(flags.dryRun && { dryRun: true }),
      ...{ status, plan: plan ? factsOf(plan) : null, ...(missed && { missed }) },
      ...(withdrawn && { withdrawn: withdrawalOf(withdrawn) }),
      ...{ fingerprint, counter, isTrial },
    },
    lines: linesOf(outcome),
  });
  if (isTrial)
    remark(io, flags, 'on trial: neural-diff confirm keeps it, neural-diff rollback restores the old one');
  return missed?.status === status ? EXIT.missed : EXIT.done;
}

/** How a release is missed, and what to do about it. */
const MISSED = {
  unreachable: ['cannot be reached', ''],
  'held-back': ['is held back', '; --retry-rejected tries it again'],
  'over-limit': ['is over the limit', '; a higher --max-bytes takes it'],
} as const;

function linesOf({ status, plan, missed, withdrawn, fingerprint }: UpdateOutcome): string[] {
  const words: Partial<Record<UpdateOutcome['status'], string>> = {
    current: `already current: ${fingerprint}`,
    available: `would update to ${plan?.next}: ${plan?.reason}`,
    updated: `updated: ${fingerprint}`,
  };
  const first = words[status] ?? `not updated, ${status}: ${fingerprint}`;
  const lines = withdrawn ? [describeWithdrawal(withdrawalOf(withdrawn)), first] : [first];
  if (missed === undefined) return lines;
  const which = missed.counter === undefined ? 'a release' : `release ${missed.counter} (${missed.next})`;
  const [how, advice] = MISSED[missed.status];
  return [...lines, `${which} ${how}: ${missed.reason}${advice}`];
}

function factsOf({ kind, bytes, base, next, counter, reason, ways, steps }: UpdatePlan): object {
  const files = steps.map(({ statement: { name, bytes: size, metrics } }) => ({
    name,
    bytes: size,
    metrics,
  }));
  return { kind, bytes, base, next, counter, reason, ways, files };
}
