import { join } from 'node:path';
import { openModel } from 'neural-diff/node';
import {
  createKeyPair,
  initRepository,
  openRepository,
  openRepositoryFolder,
  openSigner,
  publishRelease,
  type ReleaseDraft,
  type RepositoryFiles,
  type Signer,
  writeKeyPair,
  writePublication,
} from 'neural-diff/publish';

const DAY_MS = 86_400_000;

/** Who signs: one key for the root, one for releases, one for what a server renews by itself. */
export interface Keys {
  readonly root: Signer;
  readonly targets: Signer;
  readonly online: Signer;
}

/** Makes fresh keys and writes them into a folder. Real ones belong into different places. */
export async function makeKeys(folder: string): Promise<Keys> {
  const make = async (name: string): Promise<Signer> => {
    const pair = await createKeyPair();
    await writeKeyPair(join(folder, name), pair);
    return openSigner(new TextEncoder().encode(JSON.stringify(pair.privateKey)), name);
  };
  return { root: await make('root'), targets: await make('targets'), online: await make('online') };
}

/** Begins a repository in a folder. @returns its root metadata, which become part of the devices' programs */
export async function beginRepository(folder: string, { root, targets, online }: Keys): Promise<Uint8Array> {
  const files = openRepositoryFolder(folder);
  const by = ({ key }: Signer) => ({ keys: [key] });
  const roles = { root: by(root), targets: by(targets), snapshot: by(online), timestamp: by(online) };
  const options = { signers: [root, targets, online], now: () => new Date() };
  await writePublication(files, await initRepository(files, roles, options));
  return (await files.read('metadata/1.root.json')) as Uint8Array;
}

/** Releases a payload for a base that lies in a folder. */
export async function release(
  files: RepositoryFiles,
  { targets, online }: Keys,
  { model, ...draft }: Omit<ReleaseDraft, 'base' | 'expires'> & { model: string },
): Promise<void> {
  const base = await openModel(model);
  try {
    const expires = new Date(Date.now() + 60 * DAY_MS);
    const options = { signers: [targets, online], now: () => new Date() };
    const publication = await publishRelease(
      await openRepository(files),
      { ...draft, base, expires },
      options,
    );
    await writePublication(files, publication);
  } finally {
    await base.close();
  }
}
