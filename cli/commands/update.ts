import type { UpdatePlan } from '../../src/updater/plan-update.js';
import { type CommonFlags, defineCommand } from '../command.js';
import { UPDATER_FLAGS } from '../flags.js';
import { type Io, printResult, remark } from '../io.js';
import { REPOSITORY_FLAGS, refuseOtherTrial, withUpdater } from '../model-updater.js';
import { keepHeapSmall } from '../open.js';

export const command = defineCommand({
  group: 'Keep a device up to date',
  summary: 'Update a model from a repository of releases',
  details: [
    'Checks the signatures, downloads what takes the fewest bytes, patches the model in place, and ' +
      'puts it on trial: neural-diff confirm keeps it, neural-diff rollback restores the model before. ' +
      '--confirm keeps it without a trial. After a power loss, the next run continues or restores.',
  ],
  args: {},
  flags: {
    ...UPDATER_FLAGS,
    ...REPOSITORY_FLAGS,
    confirm: { type: 'boolean', description: 'Keep the model without a trial' },
    dryRun: { type: 'boolean', description: 'Plan, download no payload' },
  },
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
  },
  async handle(flags, io) {
    keepHeapSmall();
    await withUpdater(flags, io, async ({ updater, ...own }) => {
      const call = { signal: io.signal };
      if (flags.dryRun) return printPlan(await updater.check(call), flags, io);
      await refuseOtherTrial(own);
      await updater.recover();
      const { status, plan, fingerprint, ...before } = await updater.update(undefined, call);
      const isConfirmed = status === 'updated' && flags.confirm;
      if (isConfirmed) await updater.confirm();
      const counter = isConfirmed && plan ? plan.counter : before.counter;
      const isTrial = status === 'updated' && !flags.confirm;
      printResult(io, flags, {
        json: { status, ...(plan && { plan: factsOf(plan) }), fingerprint, counter, isTrial },
        lines: [`${status === 'current' ? 'already current' : status}: ${fingerprint}`],
      });
      if (isTrial)
        remark(
          io,
          flags,
          'on trial: neural-diff confirm keeps it, neural-diff rollback restores the old one',
        );
    });
  },
});

function printPlan(plan: UpdatePlan | undefined, flags: CommonFlags, io: Io): void {
  printResult(io, flags, {
    json: { dryRun: true, plan: plan ? factsOf(plan) : null },
    lines: plan ? [`would update to ${plan.next}: ${plan.reason}`] : ['already current'],
  });
}

function factsOf({ kind, bytes, base, next, counter, reason, ways, steps }: UpdatePlan): object {
  const files = steps.map(({ statement: { name, bytes: size, metrics } }) => ({
    name,
    bytes: size,
    metrics,
  }));
  return { kind, bytes, base, next, counter, reason, ways, files };
}
