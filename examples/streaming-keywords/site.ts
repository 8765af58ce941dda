import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepositoryFolder } from 'neural-diff/publish';
import { beginRepository, makeKeys, release } from '../device-server/publish-update.js';
import { bundlePage } from './bundle.js';
import { writeWav } from './sound.js';

/** What a site offers. */
export interface SiteContent {
  /** Folder of the model that pages begin with. */
  readonly base: string;
  /** The update, and the fingerprint of the model that it makes. */
  readonly payload: Uint8Array;
  readonly next: string;
  /** Mean probability from which on a word is reported. */
  readonly threshold: number;
  /** Sound at 16 kHz for those who have no file at hand. */
  readonly samples: Float32Array;
}

/**
 * Makes keys, a repository that releases the update, and the page that takes it.
 *
 * @param folder gets `keys` and `site`; only the latter is for the public
 * @returns the folder to serve
 */
export async function publishSite(folder: string, content: SiteContent): Promise<string> {
  const site = join(folder, 'site');
  const releases = join(site, 'releases');
  await mkdir(site, { recursive: true });
  const keys = await makeKeys(join(folder, 'keys'));
  const root = await beginRepository(releases, keys);
  const { base: model, payload: bytes, next } = content;
  await release(openRepositoryFolder(releases), keys, {
    model,
    name: 'words-1.ndiff',
    bytes,
    next,
    counter: 1,
  });
  await cp(model, join(site, 'base'), { recursive: true });
  await writeFile(join(site, 'settings.json'), JSON.stringify({ threshold: content.threshold }));
  await writeFile(join(site, 'sample.wav'), writeWav(content.samples));
  await bundlePage(site, root);
  return site;
}
