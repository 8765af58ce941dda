import type { UpdatePlan } from '../../src/updater/plan-update.js';
import type { UpdaterStatus } from '../../src/updater/updater.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { findOtherTrial, refuseOtherTrial } from '../other-updater.js';
import { keepHeapSmall } from '../small-heap.js';
import { type ModelFlags, type UpdateFlags, withUpdater } from '../with-updater.js';

/** Brings a model up to date from a repository. */
export async function runUpdate(flags: UpdateFlags, io: Io): Promise<void> {
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
      remark(io, flags, 'on trial: neural-diff confirm keeps it, neural-diff rollback puts the old one back');
  });
}

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

/** Says which model runs and how its last update stands. */
export async function runStatus(flags: ModelFlags, io: Io): Promise<void> {
  await withUpdater(flags, io, async ({ updater, ...own }) => {
    const status = await updater.status();
    const other = await findOtherTrial(own, async () => status.fingerprint);
    printResult(io, flags, { json: { ...status, ...(other && { other }) }, lines: linesOf(status, other) });
  });
}

function linesOf(
  { status, fingerprint, counter, trial, rejectedModels, rejectedReleases = [] }: UpdaterStatus,
  other?: string,
): string[] {
  const settled = other ? `trial of the updater in ${other}: give --updates ${other}` : status;
  return [
    `model    ${fingerprint}`,
    `counter  ${counter}`,
    `status   ${trial ? `${status}: ${trial.names.join(', ')}, ${trial.starts} starts` : settled}`,
    ...rejectedModels.map((name) => `rejected  ${name}`),
    ...rejectedReleases.map(({ name, code }) => `rejected  ${name}: ${code}`),
  ];
}

/** Ends a trial: the model stays. */
export async function runConfirm(flags: ModelFlags, io: Io): Promise<void> {
  await withUpdater(flags, io, async ({ updater, ...own }) => {
    await refuseOtherTrial(own);
    await updater.confirm();
    const { status, fingerprint, counter } = await updater.status();
    printResult(io, flags, { json: { status, fingerprint, counter }, lines: [`confirmed: ${fingerprint}`] });
  });
}

/** Puts the model before the trial back. */
export async function runRollback(flags: ModelFlags, io: Io): Promise<void> {
  await withUpdater(flags, io, async ({ updater, ...own }) => {
    await refuseOtherTrial(own);
    const isDone = await updater.rollback();
    const { fingerprint, counter } = await updater.status();
    const word = isDone ? 'rolled back to' : 'not on trial';
    printResult(io, flags, {
      json: { isRolledBack: isDone, fingerprint, counter },
      lines: [`${word}: ${fingerprint}`],
    });
  });
}
