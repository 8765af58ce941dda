import { NeuralDiffError } from '../model/errors.js';
import { checkRelease } from '../release/find-releases.js';
import type { ReleaseStatement } from '../release/statement.js';
import { fingerprintOf, onTrial } from '../storage/storage.js';
import { applyPlan, checkBase } from './apply-plan.js';
import { checkReleases } from './check-releases.js';
import { downloadPlan, removeDownloads } from './download.js';
import type { UpdatePlan } from './plan-update.js';
import { namesOfRejected, rejectionOf, withRejected } from './rejected-releases.js';
import { confirmed, readState, type UpdaterState, withRejectedModel, writeState } from './state.js';
import type {
  CallOptions,
  RollbackReason,
  UpdateOutcome,
  Updater,
  UpdaterOptions,
  UpdaterStatus,
} from './updater.js';

/** Starts on trial after which a model is rolled back, unless the policy says otherwise. */
const MAX_TRIAL_STARTS = 3;

/**
 * Makes the updater of one model on a device: check, plan, download, verify, apply, test, confirm or roll back. Nothing of a
 * payload is parsed before its signed digest holds; the model is base or next at every moment.
 *
 * @example
 * const updater = createUpdater({ storage, disk, folder: 'updates', source: openHttpSource({ url }), root });
 * await updater.start();
 * if ((await updater.update()).status === 'updated') await updater.confirm();
 */
export function createUpdater(options: UpdaterOptions): Updater {
  const { disk, folder } = options;
  const alone = <T>(run: () => Promise<T>): Promise<T> => disk.withLock(`${folder}/updater`, run);
  return {
    recover: () => alone(() => recover(options)),
    start: () =>
      alone(async () => {
        await recover(options);
        return describe(options);
      }),
    status: () => describe(options),
    check: (call = {}) =>
      alone(async () => (await checkReleases(options, await stateOf(options), call)).plan),
    update: (plan, call = {}) => alone(() => update(options, plan, call)),
    confirm: () => alone(() => confirm(options)),
    rollback: () => alone(() => rollBack(options, 'asked')),
  };
}

const stateOf = (options: UpdaterOptions): Promise<UpdaterState> =>
  readState(options, { counter: options.counter ?? 0, rejectedModels: [] });

async function recover(options: UpdaterOptions): Promise<void> {
  const found = await options.storage.recover();
  const state = await stateOf(options);
  if (found === 'trial') await countStart(options, state);
  else await settleState(options, state);
}

/** Counts a start on trial; the last one too many ends it, as does a rollback that a cut broke off. */
async function countStart(options: UpdaterOptions, state: UpdaterState): Promise<void> {
  const { trial } = state;
  const { maxTrialStarts = MAX_TRIAL_STARTS } = options.policy ?? {};
  if (trial === undefined) return void (await rollBack(options, 'unknown-trial'));
  if (state.rejectedModels.includes(trial.next)) return void (await rollBack(options, 'asked'));
  if (trial.starts >= maxTrialStarts) return void (await rollBack(options, 'too-many-starts'));
  const counted = { ...state, trial: { ...trial, starts: trial.starts + 1 } };
  await makeRoomFor(options, () => writeState(options, counted));
}

/** A cut came between the storage's end of a trial and this state's, or in the update itself: the model says which. */
async function settleState(options: UpdaterOptions, state: UpdaterState): Promise<void> {
  const { trial, ...rest } = state;
  if (trial === undefined) return;
  const isNext = (await fingerprintOf(options.storage)) === trial.next;
  await writeState(options, isNext ? confirmed(state) : rest);
}

/** Downloads are the first to go where the disk is full. */
async function makeRoomFor(options: UpdaterOptions, write: () => Promise<void>): Promise<void> {
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

async function update(
  options: UpdaterOptions,
  given: UpdatePlan | undefined,
  call: CallOptions,
): Promise<UpdateOutcome> {
  const { policy = {} } = options;
  const state = await stateOf(options);
  if (state.trial !== undefined) throw onTrial();
  if (given !== undefined) await checkPlan(options, given, state);
  const { plan, fingerprint } = given
    ? { plan: given, fingerprint: given.base }
    : await checkReleases(options, state, call);
  const facts = { fingerprint, counter: state.counter };
  if (plan === undefined) return { status: 'current', ...facts };
  if (policy.mayBegin && !(await policy.mayBegin(plan))) return { status: 'deferred', plan, ...facts };
  const mustAsk = plan.kind === 'full' && policy.full === 'ask';
  if (mustAsk && !(await policy.approve?.(plan))) return { status: 'declined', plan, ...facts };
  const files = await downloadPlan(options, plan, call);
  await make(options, state, { plan, ...files, ...call });
  return { status: 'updated', plan, ...facts, fingerprint: plan.next };
}

/** A plan may be old: what held when it was made must hold now. */
async function checkPlan(options: UpdaterOptions, plan: UpdatePlan, state: UpdaterState): Promise<void> {
  const { deviceClass, now = () => new Date() } = options;
  const device = { counter: state.counter, ...(deviceClass !== undefined && { deviceClass }) };
  for (const { statement } of plan.steps) checkRelease(statement, device, now());
  if (state.rejectedModels.includes(plan.next)) {
    const message = `Cannot use model ${plan.next}: it was tried and rolled back`;
    throw new NeuralDiffError('release-refused', message);
  }
  const [name] = await namesOfRejected(plan.steps, state.rejectedReleases, options.programVersion);
  if (name !== undefined)
    throw new NeuralDiffError('release-refused', `Cannot use "${name}": its content was rejected earlier`);
  checkBase(await fingerprintOf(options.storage), plan.base);
}

/** What an update is made of. */
interface Making extends CallOptions {
  readonly plan: UpdatePlan;
  readonly paths: readonly string[];
  readonly golden?: Uint8Array;
}

async function make(options: UpdaterOptions, state: UpdaterState, making: Making): Promise<void> {
  const { plan, golden, signal } = making;
  const { base, next, counter } = plan;
  const names = plan.steps.map(({ statement }) => statement.name);
  // Written first: should a cut come, `start` finds whose trial it is.
  await writeState(options, { ...state, trial: { base, next, counter, names, starts: 0 } });
  let failing: ReleaseStatement | undefined;
  const onFailure = (statement: ReleaseStatement): void => {
    failing = statement;
  };
  try {
    await options.storage.update(
      async (store) => {
        await applyPlan(store, { ...making, onFailure }, options);
        options.onEvent?.({ type: 'self-test', next });
        await testModel(() => options.selfTest?.(store, { plan, golden, signal }), { next, signal });
        signal?.throwIfAborted();
      },
      { base, next, signal },
    );
  } catch (error) {
    await rememberFailure(options, state, { error, failing, next });
    throw error;
  }
  options.onEvent?.({ type: 'updated', next });
}

/** A model that fails its test is not tried again; where the content of a release is rejected, other routes are looked for. */
async function rememberFailure(
  options: UpdaterOptions,
  state: UpdaterState,
  { error, failing, next }: { error: unknown; failing: ReleaseStatement | undefined; next: string },
): Promise<void> {
  const refusal = failing && (await rejectionOf(failing, error, options.programVersion));
  const isBad = error instanceof NeuralDiffError && error.code === 'health-check-failed';
  const known = isBad ? withRejectedModel(state, next) : state;
  const after = refusal
    ? { ...known, rejectedReleases: withRejected(state.rejectedReleases, refusal) }
    : known;
  // Before anything else that may fail: a trial that is none would keep all updates away until the next start.
  await makeRoomFor(options, () => writeState(options, after));
  if (refusal) await removeDownloads(options);
}

async function testModel(
  test: () => void | Promise<void>,
  { next, signal }: CallOptions & { next: string },
): Promise<void> {
  try {
    await test();
  } catch (cause) {
    // A test that was stopped says nothing of the model.
    signal?.throwIfAborted();
    const message = `Cannot use model ${next}: its self-test failed: ${(cause as Error).message}`;
    throw new NeuralDiffError('health-check-failed', message, { cause });
  }
}

async function confirm(options: UpdaterOptions): Promise<void> {
  const state = await stateOf(options);
  if (state.trial === undefined) return;
  const { next } = state.trial;
  // An update that was cut has left a trial in the state alone.
  if ((await options.storage.recover()) !== 'trial') return settleState(options, state);
  await options.storage.confirm();
  await writeState(options, confirmed(state));
  await removeDownloads(options);
  options.onEvent?.({ type: 'confirmed', next });
}

async function rollBack(options: UpdaterOptions, reason: RollbackReason): Promise<boolean> {
  const state = await stateOf(options);
  const next = state.trial?.next ?? (await fingerprintOf(options.storage));
  await removeDownloads(options);
  // Written first: a cut must not let the model be tried again. A full disk must not keep it running.
  if (state.trial)
    await writeState(options, {
      ...state,
      rejectedModels: withRejectedModel(state, next).rejectedModels,
    }).catch((error) => {
      if (error.code !== 'no-space') throw error;
    });
  const isDone = await options.storage.rollback();
  if (!isDone && state.trial === undefined) return false;
  await writeState(options, withRejectedModel(state, next));
  options.onEvent?.({ type: 'rolled-back', next, reason });
  return true;
}
