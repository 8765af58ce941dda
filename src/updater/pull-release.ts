import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { findReleases, type Release } from '../release/find-releases.js';
import { openMemoryMetadata } from '../release/metadata.js';
import { filesOnDisk, folderOf } from '../storage/disk.js';
import { checkBase } from './apply-plan.js';
import { deviceOf } from './check-releases.js';
import { downloadPlan, removeDownloads } from './download.js';
import { refreshFromSource } from './list-targets.js';
import { isForAll } from './rollout.js';
import { writeState } from './state.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Options of `pullRelease`: those of the updater that will follow the repository. */
type PullOptions = Omit<UpdaterOptions, 'storage'> & Required<Pick<UpdaterOptions, 'openModelFile'>>;

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
): Promise<Release> {
  const trust = await refreshFromSource({ ...options, store: openMemoryMetadata(), signal });
  const { usable } = findReleases(trust, deviceOf(options, 0));
  const found = usable.find(({ statement }) => statement.kind === 'full' && isForAll(statement));
  if (found) return found;
  const message = `Cannot install a model: the repository has no whole model for this device, among ${usable.length} releases; publish one`;
  throw new NeuralDiffError('no-route', message);
}

/**
 * Installs a whole model: downloads it, which an interrupted call goes on with, checks its digest and its
 * fingerprint, and moves it to its place. The updater's state then has its counter.
 *
 * @param path path of the model's file on the disk, replaced if there is one
 * @throws NeuralDiffError `network`, `payload-mismatch`, `no-space`, `wrong-base` for a file that holds
 *   another model than its statement says; any error of opening it
 */
export async function installWhole(
  options: PullOptions,
  { statement, path: source }: Release,
  { path, ...call }: CallOptions & { readonly path: string },
): Promise<void> {
  const { disk, openModelFile } = options;
  const { name, next, counter, bytes } = statement;
  const plan = {
    kind: 'full',
    steps: [{ statement, path: source }],
    bytes,
    base: '',
    next,
    counter,
  } as const;
  const { paths } = await downloadPlan(options, { ...plan, reason: name, ways: {} }, call);
  const [downloaded = ''] = paths;
  const store = await openModelFile(filesOnDisk({ disk, folder: '' }), downloaded);
  checkBase(await fingerprint(store).finally(() => store.close()), next);
  await disk.rename(downloaded, path);
  await disk.syncDirectory(folderOf(path));
  await writeState(options, { counter, rejectedModels: [] });
  await removeDownloads(options);
}
