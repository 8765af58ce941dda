import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { findReleases, type Release } from '../release/find-releases.js';
import { openMemoryMetadata } from '../release/metadata.js';
import type { Trust } from '../release/refresh-trust.js';
import { filesOnDisk, folderOf } from '../storage/disk.js';
import { applyPlan, checkBase } from './apply-plan.js';
import { deviceOf } from './check-releases.js';
import { downloadPlan, removeDownloads } from './download.js';
import { addToHistory, evidenceOf } from './history.js';
import { refreshFromSource } from './list-targets.js';
import type { UpdatePlan } from './plan-update.js';
import { isForAll } from './rollout.js';
import { readStateOr, writeState } from './state.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Options of `installWhole`: those of the updater that will follow the repository. */
export type PullOptions = Omit<UpdaterOptions, 'storage'> & Required<Pick<UpdaterOptions, 'openModelFile'>>;

/** A whole model of a repository, and who signed it. */
export interface WholeRelease extends Release {
  readonly signedBy: NonNullable<UpdatePlan['signedBy']>;
}

/**
 * Finds the newest whole model of a repository for a device that has none. Releases that are not yet rolled
 * out to all are left to later updates.
 *
 * @throws NeuralDiffError `no-route` if there is no whole model for this device, `network`, and the codes of
 *   `refreshTrust`
 */
export async function findWhole(
  options: Omit<PullOptions, 'disk' | 'folder' | 'openModelFile'>,
  { signal }: CallOptions,
): Promise<WholeRelease> {
  const trust = await refreshFromSource({ ...options, store: openMemoryMetadata(), signal });
  const { usable } = findReleases(trust, deviceOf(options, 0));
  return chooseWhole(usable, trust);
}

/**
 * @param releases newest first
 * @param ending what the names of whole models must end with; any by default
 * @returns the newest whole model for all devices
 * @throws NeuralDiffError `no-route` without one
 */
export function chooseWhole(releases: readonly Release[], trust: Trust, ending = ''): WholeRelease {
  const { signedBy: keys = [], version } = trust.targets;
  const found = releases.find(
    ({ statement }) => statement.kind === 'full' && isForAll(statement) && statement.name.endsWith(ending),
  );
  if (found) return { ...found, signedBy: { keys, version } };
  const kind = ending === '' ? 'whole model' : `whole model in a ${ending} file`;
  const message = `Cannot install a model: the repository has no ${kind} for this device, among ${releases.length} releases; publish one`;
  throw new NeuralDiffError('no-route', message);
}

/** @param base fingerprint of the model before; empty where there is none */
function planOf({ statement, path, signedBy }: WholeRelease, base: string): UpdatePlan {
  const { name, next, counter, bytes } = statement;
  const steps = [{ statement, path }];
  return { kind: 'full', steps, bytes, base, next, counter, reason: name, ways: {}, signedBy };
}

/**
 * Installs a whole model: downloads it, which an interrupted call goes on with, checks its digest and its
 * fingerprint, and moves it to its place. The updater's state then has its counter.
 *
 * @param call `path`: path of the model's file on the disk, replaced if there is one; `found`: fingerprint of
 *   the model in it, if any
 * @throws NeuralDiffError `network`, `payload-mismatch`, `no-space`, `wrong-base` for a file that holds
 *   another model than its statement says; any error of opening it
 */
export async function installWhole(
  options: PullOptions,
  release: WholeRelease,
  { path, found = '', ...call }: CallOptions & { readonly path: string; readonly found?: string | undefined },
): Promise<void> {
  const { disk, openModelFile } = options;
  const plan = planOf(release, found);
  const { paths } = await downloadPlan(options, plan, call);
  const [downloaded = ''] = paths;
  const store = await openModelFile(filesOnDisk({ disk, folder: '' }), downloaded);
  checkBase(await fingerprint(store).finally(() => store.close()), plan.next);
  await disk.rename(downloaded, path);
  await disk.syncDirectory(folderOf(path));
  await recordInstalled(options, plan);
}

/**
 * Replaces the weights of a model of several files by those of a whole model, in place. After an interruption
 * the model is as it was.
 *
 * @param found fingerprint of the model as it is
 * @throws NeuralDiffError as `installWhole`; `wrong-layout`
 */
export async function installWeights(
  options: UpdaterOptions,
  release: WholeRelease,
  { found, ...call }: CallOptions & { readonly found: string },
): Promise<void> {
  const plan = planOf(release, found);
  const files = await downloadPlan(options, plan, call);
  const terms = { base: found, next: plan.next, isTrial: false, ...call };
  await options.storage.update((store) => applyPlan(store, { plan, ...files, ...call }, options), terms);
  await recordInstalled(options, plan);
}

/** Writes what was installed into the updater's state and history; a trial of another model is over. */
async function recordInstalled(options: Omit<UpdaterOptions, 'storage'>, plan: UpdatePlan): Promise<void> {
  const { now = () => new Date() } = options;
  const { counter, next, base } = plan;
  const { trial: _ended, ...state } = await readStateOr(options, { counter, rejectedModels: [] });
  const rejectedModels = state.rejectedModels.filter(({ model }) => model !== next);
  await writeState(options, { ...state, counter, rejectedModels });
  const facts = { base, next, counter, names: [], starts: 0 };
  await addToHistory(options, { ...facts, ...evidenceOf(plan) }, now());
  await removeDownloads(options);
}
