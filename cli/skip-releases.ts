import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { composePayloads } from '../src/chain/compose-payloads.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { copyModel, type WeightStore } from '../src/model/store.js';
import { totalBytes } from '../src/model/tensor.js';
import { withFileErrors } from '../src/node/file-errors.js';
import { statementsOf } from '../src/publish/arrange-targets.js';
import type { RepositoryFiles } from '../src/publish/files.js';
import { planSkips, type Skip } from '../src/publish/plan-skips.js';
import { proveRelease } from '../src/publish/prove-release.js';
import type { ProvenRelease } from '../src/publish/publish-release.js';
import type { Repository } from '../src/publish/repository.js';
import { UsageError } from './exit-codes.js';
import { tensorsForAll, withModel } from './open.js';

/** Payloads to release with a new one, and those that they replace. */
interface ProvenSkips {
  readonly proven: readonly ProvenRelease[];
  readonly withdrawn: readonly string[];
  /** Payloads that were not made, and why. */
  readonly remarks: readonly string[];
}

/**
 * Composes released payloads with a new one, so that devices need few of them, and tries each on its base.
 *
 * @param source the repository's files, and a folder of older models
 * @throws UsageError for the release of a whole model
 * @throws NeuralDiffError `file-not-found` for a missing folder or payload; as `composePayloads` and
 *   `proveRelease`
 */
export async function proveSkips(
  repository: Repository,
  { draft, statement }: ProvenRelease,
  { files, folder }: { readonly files: RepositoryFiles; readonly folder: string },
): Promise<ProvenSkips> {
  if (statement.kind === 'full')
    throw new UsageError('Expected --base with --skip: whole models need no base');
  const { skips, superseded } = planSkips(statementsOf(repository), statement);
  const models = await findModels(folder, new Set(skips.map(({ base }) => base)));
  const proven: ProvenRelease[] = [];
  const remarks: string[] = [];
  for (const skip of skips) {
    const path = models.get(skip.base);
    const made = path && (await withModel({ path }, (base) => proveSkip(skip, base)));
    if (made) proven.push(made);
    const problem = path ? 'it would have too many ops' : `"${folder}" has no such model`;
    if (!made) remarks.push(`no payload from model ${skip.base}: ${problem}`);
  }
  return { proven, withdrawn: superseded, remarks };

  async function proveSkip(skip: Skip, base: WeightStore): Promise<ProvenRelease | undefined> {
    const bytes = await composeWithin(await readParts(files, skip, draft.bytes), base);
    if (bytes === undefined) return undefined;
    const composed = { ...draft, name: skip.name, bytes, base, next: statement.next };
    return { draft: composed, statement: await proveRelease(composed) };
  }
}

/** Models up to this size are read whole where payloads have too many ops to be composed. */
const MAX_WHOLE_BYTES = 2 ** 30;

/** @returns the payload; undefined if it would have too many ops */
async function composeWithin(
  payloads: readonly Uint8Array[],
  base: WeightStore,
): Promise<Uint8Array | undefined> {
  const isSmall = totalBytes(base.tensors) <= MAX_WHOLE_BYTES;
  try {
    const model = isSmall ? await copyModel(base) : await tensorsForAll(payloads, base);
    return (await composePayloads(payloads, model)).payload;
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'limit-exceeded') return undefined;
    throw error;
  }
}

/** @returns the paths of models in a folder, by fingerprint; what is no model is passed over */
async function findModels(folder: string, wanted: ReadonlySet<string>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (wanted.size === 0) return found;
  for (const name of await withFileErrors(`Cannot list "${folder}"`, () => readdir(folder))) {
    const path = join(folder, name);
    const model = await withModel({ path }, fingerprint).catch((error) => {
      if (error instanceof NeuralDiffError) return undefined;
      throw error;
    });
    if (model !== undefined && wanted.has(model)) found.set(model, path);
  }
  return found;
}

/** The last part is the new payload, which is not in the repository yet. */
async function readParts(
  files: RepositoryFiles,
  { name, parts }: Skip,
  last: Uint8Array,
): Promise<Uint8Array[]> {
  const released = await Promise.all(
    parts.slice(0, -1).map(async (part) => {
      const path = `targets/${part.sha256}.${part.name}`;
      const bytes = await files.read(path);
      if (bytes) return bytes;
      throw new NeuralDiffError('file-not-found', `Cannot compose "${name}": missing "${path}"`);
    }),
  );
  return [...released, last];
}
