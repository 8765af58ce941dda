import { NeuralDiffError } from '../model/index.js';
import type { SignedFile } from '../release/index.js';
import { download, pathOfDownload } from './download.js';
import type { UpdatePlan } from './plan-update.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/**
 * Downloads the files of a plan, and removes those of others.
 *
 * @returns where they lie, and the content of the golden inputs
 * @throws NeuralDiffError `no-space` before anything is fetched, `network`, `payload-mismatch`; the signal's reason
 */
export async function downloadPlan(
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

/** Removes what was downloaded, but for some files' worth. */
export async function removeDownloads(
  options: UpdaterOptions,
  kept: readonly SignedFile[] = [],
): Promise<void> {
  const { disk, folder } = options;
  const keep = new Set(kept.map((file) => pathOfDownload(options, file)));
  for (const path of await disk.list(`${folder}/downloads`)) if (!keep.has(path)) await disk.remove(path);
}
