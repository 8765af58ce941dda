import { fingerprint, hex, NeuralDiffError } from '../model/index.js';
import { findReleases, findTarget, refreshTrust, type SignedFile, type Trust } from '../release/index.js';
import type { ModelStorage } from '../storage/index.js';
import { applyPlan } from './apply-plan.js';
import { download, pathOfDownload } from './download.js';
import { metadataOnDisk } from './metadata-on-disk.js';
import { planUpdate, type UpdatePlan } from './plan-update.js';
import { confirmed, readState, type UpdaterState, withBad, writeState } from './state.js';
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

/** Errors of a model that is to blame itself: it is not tried again. */
const BAD_MODEL: ReadonlySet<string> = new Set([
  'health-check-failed',
  'result-mismatch',
  'payload-mismatch',
]);

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
  const alone = <T>(run: () => Promise<T>): Promise<T> => disk.exclusively(`${folder}/updater`, run);
  return {
    start: () => alone(() => start(options)),
    status: () => describe(options),
    check: (call = {}) => alone(() => check(options, call)),
    update: (plan, call = {}) => alone(() => update(options, plan, call)),
    confirm: () => alone(() => confirm(options)),
    rollback: () => alone(() => rollBack(options, 'asked')),
  };
}

const stateOf = (options: UpdaterOptions): Promise<UpdaterState> =>
  readState(options, { counter: options.counter ?? 0, bad: [] });

async function start(options: UpdaterOptions): Promise<UpdaterStatus> {
  const found = await options.storage.recover();
  const state = await stateOf(options);
  const { trial } = state;
  if (found === 'trial') {
    const { maxTrialStarts = MAX_TRIAL_STARTS } = options.policy ?? {};
    if (trial === undefined) await rollBack(options, 'unknown-trial');
    else if (trial.starts >= maxTrialStarts) await rollBack(options, 'too-many-starts');
    else await writeState(options, { ...state, trial: { ...trial, starts: trial.starts + 1 } });
  } else if (trial !== undefined) {
    // A cut came between the storage's end of the trial and this state's, or in the update itself.
    const isNext = (await nameOf(options.storage)) === trial.next;
    const { trial: _ended, ...rest } = state;
    await writeState(options, isNext ? confirmed(state) : rest);
  }
  return describe(options);
}

async function describe(options: UpdaterOptions): Promise<UpdaterStatus> {
  const { counter, trial, bad } = await stateOf(options);
  const facts = { fingerprint: await nameOf(options.storage), counter, bad };
  return trial === undefined ? { ...facts, status: 'settled' } : { ...facts, status: 'trial', trial };
}

/** The fingerprint is of what is stored, not of what ought to be. */
async function nameOf(storage: ModelStorage): Promise<string> {
  const store = await storage.open();
  try {
    return hex(await fingerprint(store));
  } finally {
    await store.close();
  }
}

async function check(options: UpdaterOptions, { signal }: CallOptions): Promise<UpdatePlan | undefined> {
  const { source, root, now = () => new Date(), deviceClass, ed25519, policy, openModelFile } = options;
  const trust = await refreshTrust({
    ...{ root, now, store: metadataOnDisk(options) },
    fetchMetadata: (name, maxBytes) => source.fetch(`metadata/${name}`, { maxBytes, signal }),
    ...(ed25519 && { ed25519 }),
  });
  const { counter, bad } = await stateOf(options);
  const { usable } = findReleases(trust, { counter, ...(deviceClass !== undefined && { deviceClass }) });
  const fingerprintNow = await nameOf(options.storage);
  const planned = planUpdate(
    usable,
    { fingerprint: fingerprintNow, counter, bad },
    {
      ...policy,
      ...(openModelFile === undefined && { full: 'never' as const }),
    },
  );
  const plan = planned && withGolden(planned, trust);
  if (plan) options.onEvent?.({ type: 'planned', plan });
  return plan;
}

/** Golden inputs are those of the release that is reached. */
function withGolden(plan: UpdatePlan, trust: Trust): UpdatePlan {
  const file = plan.steps.at(-1)?.statement.golden;
  return file ? { ...plan, golden: { file, path: findTarget(trust, file) } } : plan;
}

async function update(
  options: UpdaterOptions,
  given: UpdatePlan | undefined,
  call: CallOptions,
): Promise<UpdateOutcome> {
  const { policy = {} } = options;
  const state = await stateOf(options);
  if (state.trial !== undefined) {
    const message = 'Cannot update the model: it is on trial; confirm it or roll it back first';
    throw new NeuralDiffError('on-trial', message);
  }
  const plan = given ?? (await check(options, call));
  if (plan === undefined) return { status: 'current' };
  if (policy.mayBegin && !(await policy.mayBegin(plan))) return { status: 'deferred', plan };
  const mustAsk = plan.kind === 'full' && policy.full === 'ask';
  if (mustAsk && !(await policy.approve?.(plan))) return { status: 'declined', plan };
  const files = await downloadAll(options, plan, call);
  await make(options, state, { plan, ...files, ...call });
  return { status: 'updated', plan };
}

/** @returns where the files of a plan lie, and the content of its golden inputs */
async function downloadAll(
  options: UpdaterOptions,
  plan: UpdatePlan,
  { signal }: CallOptions,
): Promise<{ paths: string[]; golden?: Uint8Array }> {
  const { source, onEvent, waitMs, disk } = options;
  const fetchOne = (file: SignedFile, path: string): Promise<string> =>
    download({
      ...{ source, place: options, path: `targets/${path}`, file, signal, waitMs },
      onProgress: (bytesDone) =>
        onEvent?.({
          type: 'progress',
          phase: 'download',
          name: file.name,
          bytesDone,
          bytesTotal: file.bytes,
        }),
    });
  // What is left of plans that were given up.
  await removeDownloads(options, [...plan.steps.map(({ statement }) => statement), ...goldenOf(plan)]);
  await checkSpace(options, plan);
  const paths: string[] = [];
  for (const { statement, path } of plan.steps) paths.push(await fetchOne(statement, path));
  if (plan.golden === undefined || options.selfTest === undefined) return { paths };
  const golden = new Uint8Array(plan.golden.file.bytes);
  await disk.readInto(await fetchOne(plan.golden.file, plan.golden.path), 0, golden);
  return { paths, golden };
}

/** Said before the first byte is fetched; what applying takes shows as it goes, and is undone where there is too little. */
async function checkSpace({ disk, folder }: UpdaterOptions, { bytes }: UpdatePlan): Promise<void> {
  const free = await disk.freeBytes?.();
  if (free === undefined) return;
  const kept = await disk.list(`${folder}/downloads`);
  const sizes = await Promise.all(kept.map((path) => disk.size(path)));
  const needed = bytes - sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  if (free >= needed) return;
  const message = `Cannot download an update: it takes ${needed} bytes, the disk has ${free}`;
  throw new NeuralDiffError('no-space', message, { facts: { needed, free } });
}

const goldenOf = ({ golden }: UpdatePlan): SignedFile[] => (golden ? [golden.file] : []);

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
  try {
    await options.storage.update(
      async (store) => {
        await applyPlan(store, making, options);
        options.onEvent?.({ type: 'self-test', next });
        await testModel(() => options.selfTest?.(store, { plan, golden, signal }), { next, signal });
        signal?.throwIfAborted();
      },
      { base, next },
    );
  } catch (error) {
    const isBad = error instanceof NeuralDiffError && BAD_MODEL.has(error.code);
    await writeState(options, isBad ? withBad(state, next) : state);
    throw error;
  }
  options.onEvent?.({ type: 'updated', next });
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
  await options.storage.confirm();
  await writeState(options, confirmed(state));
  await removeDownloads(options);
  options.onEvent?.({ type: 'confirmed', next });
}

async function rollBack(options: UpdaterOptions, reason: RollbackReason): Promise<boolean> {
  const state = await stateOf(options);
  const next = state.trial?.next ?? (await nameOf(options.storage));
  // Written first: a cut must not let the model be tried again.
  if (state.trial) await writeState(options, { ...state, bad: withBad(state, next).bad });
  const isDone = await options.storage.rollback();
  if (!isDone && state.trial === undefined) return false;
  await writeState(options, withBad(state, next));
  await removeDownloads(options);
  options.onEvent?.({ type: 'rolled-back', next, reason });
  return true;
}

/** Removes what was downloaded, but for some files' worth. */
async function removeDownloads(options: UpdaterOptions, kept: readonly SignedFile[] = []): Promise<void> {
  const { disk, folder } = options;
  const keep = new Set(kept.map((file) => pathOfDownload(options, file)));
  for (const path of await disk.list(`${folder}/downloads`)) if (!keep.has(path)) await disk.remove(path);
}
