import { fingerprint, openContainer, openMemoryFiles } from 'neural-diff';
import { installSlots, type ModelStorage, openInPlace, openSlots } from 'neural-diff/storage';
import { createUpdater, listTargets } from 'neural-diff/updater';
import { openMemoryDisk, openMemoryMetadata, openMemorySource } from './memory.js';

/** A repository of signed files, by path, and the root metadata that a device trusts. */
export interface SignedFiles {
  readonly root: Uint8Array;
  readonly files: readonly (readonly [string, Uint8Array])[];
  /** The moment at which it is read. */
  readonly now: string;
}

/** A model and a release that updates it. */
export interface UpdateCase extends SignedFiles {
  readonly model: Uint8Array;
  /** Fingerprints. */
  readonly base: string;
  readonly next: string;
}

const MAIN = 'model.safetensors';
const WAYS = ['two copies', 'in place'] as const;

/**
 * Updates a model from a repository by the updater, confirms it, and rolls another one back.
 *
 * @returns what went wrong
 */
export async function runUpdate(update: UpdateCase): Promise<string[]> {
  const failed: string[] = [];
  for (const way of WAYS)
    for (const end of ['confirm', 'rollback'] as const) {
      const expected = end === 'confirm' ? update.next : update.base;
      const found = await updateOnce(update, way, end).catch((error) => `${error} ${error?.stack}`);
      if (found !== expected) failed.push(`${way}, ${end}: expected ${expected}, got ${found}`);
    }
  return failed;
}

async function updateOnce(
  { model, root, files, now }: UpdateCase,
  way: (typeof WAYS)[number],
  end: 'confirm' | 'rollback',
): Promise<string> {
  const disk = openMemoryDisk(new Map(way === 'in place' ? [[`model/${MAIN}`, model.slice()]] : []));
  const openModel = (found: Parameters<typeof openContainer>[0]) => openContainer(found, MAIN);
  const slots = { disk, folder: 'model', openModel };
  if (way === 'two copies')
    await installSlots(slots, openMemoryFiles(new Map([[MAIN, model.slice()]])), [MAIN]);
  const storage: ModelStorage =
    way === 'in place' ? openInPlace({ ...slots, journal: 'journal' }) : openSlots(slots);
  const source = openMemorySource(new Map(files));
  const options = { storage, disk, folder: 'updates', source, root, now: () => new Date(now) };
  const updater = createUpdater(options);
  await updater.start();
  const { status } = await updater.update();
  if (status !== 'updated') return `the outcome ${status}`;
  await createUpdater(options).start();
  await (end === 'confirm' ? updater.confirm() : updater.rollback());
  const store = await storage.open();
  return fingerprint(store).finally(() => store.close());
}

/**
 * Reads repositories that are signed with ECDSA, and as their forgers changed them.
 *
 * @returns what went wrong
 */
export async function runTrust(cases: readonly (SignedFiles & { expected: string })[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { root, files, now, expected } of cases) {
    const source = openMemorySource(new Map(files));
    const options = { source, root, store: openMemoryMetadata(), now: () => new Date(now) };
    const found = await listTargets(options).then(
      (targets) => [...targets.keys()].join(),
      (error: { code?: string }) => error.code ?? String(error),
    );
    if (found !== expected) failed.push(`trust: expected ${expected}, got ${found}`);
  }
  return failed;
}
