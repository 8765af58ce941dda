import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepositoryFolder } from 'neural-diff/publish';
import { makeUpdate, type WordUpdate, writeSamples } from './make-update.js';
import { beginRepository, type Keys, makeKeys, release } from './publish-update.js';

/** What a server has: all of `site` is public, `keys` is not. */
export interface ServerFolder {
  readonly site: string;
  /** The model that devices begin with. */
  readonly base: string;
  readonly releases: string;
  readonly root: Uint8Array;
  readonly keys: Keys;
  readonly update: WordUpdate;
}

/** Makes keys, a model, an update of it, and a repository that releases the update. */
export async function setUpServer(folder: string): Promise<ServerFolder> {
  const site = join(folder, 'site');
  const [base, releases] = [join(site, 'base'), join(site, 'releases')];
  await mkdir(site, { recursive: true });
  const keys = await makeKeys(join(folder, 'keys'));
  const root = await beginRepository(releases, keys);
  const update = await makeUpdate(base);
  await writeSamples(site);
  await release(openRepositoryFolder(releases), keys, {
    model: base,
    name: 'words-1.ndiff',
    bytes: update.payload,
    next: update.next,
    counter: 1,
    metrics: { accuracy: Number(update.accuracy.next.toFixed(3)) },
    golden: { name: 'words-1.golden.json', bytes: update.golden },
  });
  return { site, base, releases, root, keys, update };
}
