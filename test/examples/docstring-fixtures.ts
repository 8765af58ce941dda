import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/root.js';
import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { concatBytes } from '../../src/model/bytes.js';
import { openModel } from '../../src/node/open-model.js';
import { openRepositoryFolder } from '../../src/publish/files.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { createKeyPair, openSigner, writeKeyPair } from '../../src/publish/keys.js';
import { signRelease } from '../../src/publish/prove-release.js';
import { publishRelease } from '../../src/publish/publish-release.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { recipe, writeModel } from '../cli/command.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { CONFIG, normal, peftPair } from '../exact-diff/adapter/sample-adapter.js';

const IN_TEN_DAYS = new Date(Date.now() + 864_000_000);

/**
 * Makes the files that examples name: models v1 to v3, payloads v2 and v3, a recipe, keys, a repository of
 * releases, an adapter and its base.
 *
 * @param folder an empty folder
 */
export async function writeFixtures(folder: string): Promise<void> {
  const at = (...path: string[]): string => join(folder, ...path);
  for (const version of [1, 2, 3]) await writeModel(at('models', `v${version}`), version);
  writeFileSync(at('v2.ndiff'), await exactPayload(at('models/v1'), at('models/v2')));
  writeFileSync(at('v3.ndiff'), await exactPayload(at('models/v2'), at('models/v3')));
  cpSync(recipe('points'), at('recipe.mjs'));
  await writeReleases(at);
  writeAdapter(at);
}

function writeAdapter(at: (...path: string[]) => string): void {
  const base = { tensors: [normal('layer.weight', 'bfloat16', { shape: [48, 80], seed: 1 })] };
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  const folder = ['adapters', 'de'];
  mkdirSync(at(...folder), { recursive: true });
  const tensors = peftPair('layer', { rank: 4, inputs: [80], outputs: 48 }, { dtype: 'bfloat16' });
  writeFileSync(at(...folder, 'adapter_model.safetensors'), writeSafetensors({ tensors }));
  writeFileSync(at(...folder, 'adapter_config.json'), JSON.stringify(CONFIG));
}

async function exactPayload(base: string, next: string): Promise<Uint8Array> {
  const stores = await Promise.all([openModel(base), openModel(next)]);
  const { pieces } = await diffStores(stores[0], stores[1]);
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  await Promise.all(stores.map((store) => store.close()));
  return concatBytes(parts);
}

async function writeReleases(at: (...path: string[]) => string): Promise<void> {
  mkdirSync(at('keys'));
  const pair = await createKeyPair();
  await writeKeyPair(at('keys/targets'), pair);
  const signer = await openSigner(new TextEncoder().encode(JSON.stringify(pair.privateKey)), 'targets');
  const files = openRepositoryFolder(at('releases'));
  const role = { keys: [pair.publicKey] };
  const options = { signers: [signer], now: () => new Date() };
  const roles = { root: role, targets: role, snapshot: role, timestamp: role };
  await writePublication(files, await initRepository(files, roles, options));
  writeFileSync(at('root.json'), (await files.read('metadata/1.root.json')) as Uint8Array);
  const bytes = await exactPayload(at('models/v1'), at('models/v2'));
  const base = await openModel(at('models/v1'));
  const draft = { base, bytes, counter: 1, expires: IN_TEN_DAYS };
  const publication = await publishRelease(
    await openRepository(files),
    { ...draft, name: 'v2.ndiff' },
    options,
  );
  await writePublication(files, publication);
  const { file } = await signRelease({ ...draft, name: 'v2.ndiff' }, [signer]);
  await base.close();
  writeFileSync(at('v2.ndiff.release.json'), file);
  writeFileSync(at('keys/targets.json'), JSON.stringify({ publicKey: pair.publicKey }));
}

/** Lets modules below a folder import the built package and TensorFlow.js by name. */
export function linkPackages(folder: string): void {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'neural-diff'));
  symlinkSync(join(ROOT, 'node_modules', '@tensorflow'), join(folder, 'node_modules', '@tensorflow'));
}
