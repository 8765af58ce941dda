import { throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import { checkRelease } from '../release/find-releases.js';
import type { ReleaseStatement } from '../release/statement.js';
import { fingerprintOf, onTrial } from '../storage/storage.js';
import { applyPlan, checkBase } from './apply-plan.js';
import { type CheckedReleases, checkReleases, deviceOf } from './check-releases.js';
import { downloadPlan, removeDownloads } from './download.js';
import { addToHistory, evidenceOf, readHistory } from './history.js';
import { checkSteps, type UpdatePlan } from './plan-update.js';
import { rejectedAmong, rejectionOf, versionsOf, withRejected } from './rejected-releases.js';
import { waitingFor } from './rollout.js';
import {
  confirmed,
  readStateOr,
  resetDamagedState,
  type UpdaterState,
  withRejectedModel,
  writeState,
} from './state.js';
import type {
  CallOptions,
  RollbackReason,
  UpdateOutcome,
  Updater,
  UpdaterOptions,
  UpdaterStatus,
} from './updater.js';

/** Default number of starts on trial after which a model is rolled back. */
const MAX_TRIAL_STARTS = 3;

/**
 * Creates the updater of a model on a device: check, plan, download, verify, apply, test, confirm or roll
 * back.
 *
 * A payload is parsed only after its signed digest was verified. At any time the stored model is either base
 * or next.
 *
 * @example
 * const storage = await openModelStorage('models/v1');
 * const source = openHttpSource({ url: 'https://example.com/releases' });
 * const root = readFileSync('root.json'); // part of the program
 * const updater = createUpdater({ storage, disk: storage.disk, folder: 'updates', source, root });
 * await updater.start(); // at every start: rolls back an interrupted update
 * if ((await updater.update()).status === 'updated') await updater.confirm();
 */
export function createUpdater(options: UpdaterOptions): Updater {
  const { disk, folder } = options;
  const locked = <T>(run: () => Promise<T>): Promise<T> =>
    disk.withLock(`${folder}/updater`, async () => {
      const aside = await resetDamagedState(options);
      if (aside !== undefined) options.onEvent?.({ type: 'state-reset', aside });
      return run();
    });
  return {
    recover: () => locked(() => recover(options)),
    start: () =>
      locked(async () => {
        await recover(options);
        return describe(options);
      }),
    status: () => describe(options),
    check: (call = {}) => locked(() => check(options, call)),
    update: (plan, call = {}) => locked(() => reported(options, () => update(options, plan, call))),
    history: () => readHistory(options),
    confirm: () => locked(() => confirm(options)),
    rollback: () => locked(() => rollBack(options, 'asked')),
  };
}

const stateOf = (options: UpdaterOptions): Promise<UpdaterState> =>
  readStateOr(options, { counter: options.counter ?? 0, rejectedModels: [] });

async function recover(options: UpdaterOptions): Promise<void> {
  const found = await options.storage.recover();
  const state = await stateOf(options);
  if (found === 'trial') await countStart(options, state);
  else await settleState(options, state);
}

/** Counts a start on trial; rolls back after too many starts, and completes an interrupted rollback. */
async function countStart(options: UpdaterOptions, state: UpdaterState): Promise<void> {
  const { trial } = state;
  const { maxTrialStarts = MAX_TRIAL_STARTS } = options.policy ?? {};
  if (trial === undefined) return void (await rollBack(options, 'unknown-trial'));
  const rejected = state.rejectedModels.find(({ model }) => model === trial.next);
  const reason = rejected?.reason === 'too-many-starts' ? 'too-many-starts' : 'asked';
  if (rejected) return void (await rollBack(options, reason));
  if (trial.starts >= maxTrialStarts) return void (await rollBack(options, 'too-many-starts'));
  const counted = { ...state, trial: { ...trial, starts: trial.starts + 1 } };
  await retryWithoutDownloads(options, () => writeState(options, counted));
}

/**
 * Clears a trial that the storage has ended or never completed; the stored model decides which of the two.
 */
async function settleState(options: UpdaterOptions, state: UpdaterState): Promise<void> {
  const { trial, ...rest } = state;
  if (trial === undefined) return;
  const isNext = (await fingerprintOf(options.storage)) === trial.next;
  await (isNext ? keepTrial(options, state) : writeState(options, rest));
}

/** Ends a trial whose model is kept. */
async function keepTrial(options: UpdaterOptions, state: UpdaterState): Promise<void> {
  const { now = () => new Date() } = options;
  if (state.trial) await addToHistory(options, state.trial, now());
  await writeState(options, confirmed(state));
}

/** Retries a write after removing downloads if the disk is full. */
async function retryWithoutDownloads(options: UpdaterOptions, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof NeuralDiffError && error.code === 'no-space')) throw error;
    await removeDownloads(options);
    await write();
  }
}

async function describe(options: UpdaterOptions): Promise<UpdaterStatus> {
  const { counter, trial, rejectedModels, rejectedReleases } = await stateOf(options);
  const facts = {
    fingerprint: await fingerprintOf(options.storage),
    counter,
    rejectedModels,
    ...(rejectedReleases && { rejectedReleases }),
  };
  return trial === undefined ? { ...facts, status: 'settled' } : { ...facts, status: 'trial', trial };
}

async function check(options: UpdaterOptions, call: CallOptions): Promise<UpdateOutcome> {
  const state = await stateFor(options, call);
  const found = await checkReleases(options, state, call);
  const status = found.plan ? 'available' : (found.missed?.status ?? 'current');
  return { status, ...found, counter: state.counter };
}

/** @returns the updater's state, without what was rejected if a call tries it again */
async function stateFor(options: UpdaterOptions, { retryRejected }: CallOptions): Promise<UpdaterState> {
  const state = await stateOf(options);
  if (!retryRejected) return state;
  const { rejectedReleases: _rejected, ...rest } = state;
  return { ...rest, rejectedModels: [] };
}

/** Reports what became of an update. */
async function reported(
  { onEvent, programVersion }: UpdaterOptions,
  run: () => Promise<UpdateOutcome>,
): Promise<UpdateOutcome> {
  const start = Date.now();
  const facts = () => ({ ms: Date.now() - start, versions: versionsOf(programVersion) });
  try {
    const outcome = await run();
    onEvent?.({ type: 'outcome', ...outcome, ...facts() });
    return outcome;
  } catch (error) {
    const code = error instanceof NeuralDiffError ? error.code : (error as Error).name;
    onEvent?.({ type: 'outcome', status: 'failed', code, ...facts() });
    throw error;
  }
}

async function update(
  options: UpdaterOptions,
  givenPlan: UpdatePlan | undefined,
  call: CallOptions,
): Promise<UpdateOutcome> {
  const { policy = {} } = options;
  const state = await stateFor(options, call);
  if (state.trial !== undefined) throw onTrial();
  if (givenPlan !== undefined) await checkPlan(options, givenPlan, state);
  const { plan, ...found }: CheckedReleases = givenPlan
    ? { plan: givenPlan, fingerprint: givenPlan.base }
    : await checkReleases(options, state, call);
  const { missed } = found;
  const facts = { ...found, counter: state.counter };
  if (plan === undefined) return { status: missed?.status ?? 'current', ...facts };
  if (policy.mayBegin && !(await policy.mayBegin(plan))) return { status: 'deferred', plan, ...facts };
  const mustAsk = plan.kind === 'full' && policy.full === 'ask';
  if (mustAsk && !(await policy.approve?.(plan))) return { status: 'declined', plan, ...facts };
  const files = await downloadPlan(options, plan, call);
  await applyUpdate(options, state, { plan, ...files, ...call });
  return { status: 'updated', plan, ...facts, fingerprint: plan.next };
}

/** Checks that a plan, which may be old, is still valid. */
async function checkPlan(options: UpdaterOptions, plan: UpdatePlan, state: UpdaterState): Promise<void> {
  const { now = () => new Date() } = options;
  checkSteps(plan);
  const device = deviceOf(options, state.counter);
  for (const { statement } of plan.steps) checkRelease(statement, device, now());
  if ((await waitingFor(plan.steps.slice(-1), options)).size > 0) {
    const message = `Cannot use model ${plan.next}: the device is not in its rollout`;
    throw new NeuralDiffError('release-refused', message);
  }
  if (state.rejectedModels.some(({ model }) => model === plan.next)) {
    const message = `Cannot use model ${plan.next}: it was rolled back earlier`;
    throw new NeuralDiffError('release-refused', message);
  }
  const rejected = await rejectedAmong(plan.steps, state.rejectedReleases, options.programVersion);
  const [name] = rejected.keys();
  if (name !== undefined)
    throw new NeuralDiffError('release-refused', `Cannot use "${name}": its content was rejected earlier`);
  checkBase(await fingerprintOf(options.storage), plan.base);
}

const namesOf = ({ steps }: UpdatePlan): string[] => steps.map(({ statement }) => statement.name);

/** A plan with its downloaded files. */
interface Download extends CallOptions {
  readonly plan: UpdatePlan;
  readonly paths: readonly string[];
  readonly golden?: Uint8Array;
}

async function applyUpdate(
  options: UpdaterOptions,
  state: UpdaterState,
  downloaded: Download,
): Promise<void> {
  const { plan, golden, signal } = downloaded;
  const { base, next, counter } = plan;
  const names = namesOf(plan);
  // Written first, so that `start` can identify the trial after an interruption.
  const { path: storage } = options.storage;
  const facts = { base, next, counter, names, ...evidenceOf(plan), starts: 0 };
  const trial = { ...facts, ...(storage !== undefined && { storage }) };
  await writeState(options, { ...state, trial });
  let failing: ReleaseStatement | undefined;
  const onFailure = (statement: ReleaseStatement): void => {
    failing = statement;
  };
  try {
    await options.storage.update(
      async (store) => {
        await applyPlan(store, { ...downloaded, onFailure }, options);
        options.onEvent?.({ type: 'self-test', next });
        await testModel(() => options.selfTest?.(store, { plan, golden, signal }), { next, signal });
        throwIfAborted(signal);
      },
      { base, next, signal },
    );
  } catch (error) {
    await rememberFailure(options, state, { error, failing, plan });
    throw error;
  }
  options.onEvent?.({ type: 'updated', next });
}

/** Records a model that failed its test, or a release with invalid content, so that it is not tried again. */
async function rememberFailure(
  options: UpdaterOptions,
  state: UpdaterState,
  { error, failing, plan }: { error: unknown; failing: ReleaseStatement | undefined; plan: UpdatePlan },
): Promise<void> {
  const rejection = failing && (await rejectionOf(failing, error, options.programVersion));
  const hasFailedTest = error instanceof NeuralDiffError && error.code === 'health-check-failed';
  const { next: model, counter } = plan;
  const failed = { model, reason: 'test-failed', counter, names: namesOf(plan) } as const;
  const tested = hasFailedTest ? withRejectedModel(state, failed) : state;
  const after = rejection
    ? { ...tested, rejectedReleases: withRejected(state.rejectedReleases, rejection) }
    : tested;
  // Done first: a stale trial would block all updates until the next start.
  await retryWithoutDownloads(options, () => writeState(options, after));
  if (rejection) await removeDownloads(options);
}

async function testModel(
  test: () => void | Promise<void>,
  { next, signal }: CallOptions & { next: string },
): Promise<void> {
  try {
    await test();
  } catch (cause) {
    // A cancelled test does not reject the model.
    throwIfAborted(signal);
    const message = `Cannot use model ${next}: its self-test failed: ${(cause as Error).message}`;
    throw new NeuralDiffError('health-check-failed', message, { cause });
  }
}

async function confirm(options: UpdaterOptions): Promise<void> {
  const state = await stateOf(options);
  if (state.trial === undefined) return;
  const { next } = state.trial;
  // After an interrupted update only the updater's state has a trial.
  if ((await options.storage.recover()) !== 'trial') return settleState(options, state);
  await options.storage.confirm();
  await keepTrial(options, state);
  await removeDownloads(options);
  options.onEvent?.({ type: 'confirmed', next });
}

async function rollBack(options: UpdaterOptions, reason: RollbackReason): Promise<boolean> {
  const state = await stateOf(options);
  const next = state.trial?.next ?? (await fingerprintOf(options.storage));
  await removeDownloads(options);
  // Written first, so that the model is rejected even after an interruption. A full disk must not prevent the
  // rollback.
  const rejected = withRejectedModel(state, { model: next, reason });
  if (state.trial) {
    const { rejectedModels } = rejected;
    await writeState(options, { ...state, rejectedModels }).catch((error) => {
      if (error.code !== 'no-space') throw error;
    });
  }
  const isRolledBack = await options.storage.rollback();
  if (!isRolledBack && state.trial === undefined) return false;
  // A trial whose state was lost says nothing about its model.
  if (reason !== 'unknown-trial') await writeState(options, rejected);
  options.onEvent?.({ type: 'rolled-back', next, reason });
  return true;
}
