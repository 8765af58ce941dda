// Bytes that a device fetches for an update from a repository of many releases: metadata, payloads, requests.
import { composePayloads } from '../src/chain/compose-payloads.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { openMemoryStore } from '../src/model/store.js';
import { elementCount, type Model, type Tensor } from '../src/model/tensor.js';
import { packDiff } from '../src/payload/encode.js';
import { statementsOf } from '../src/publish/arrange-targets.js';
import type { RepositoryFiles } from '../src/publish/files.js';
import { initRepository } from '../src/publish/init-repository.js';
import { createKeyPair, openSigner } from '../src/publish/keys.js';
import { planSkips } from '../src/publish/plan-skips.js';
import { proveRelease, type ReleaseDraft } from '../src/publish/prove-release.js';
import { publishProven } from '../src/publish/publish-release.js';
import { openRepository, type PublishOptions, writePublication } from '../src/publish/repository.js';
import { openMemoryMetadata, ROLES } from '../src/release/metadata.js';
import { refreshTrust } from '../src/release/refresh-trust.js';
import { createRandom } from '../src/train/random.js';
import { findAllReleases } from '../src/updater/find-all-releases.js';
import { planUpdate } from '../src/updater/plan-update.js';
import { printBench } from './common/report.js';

const RELEASES = 200;
const BEHIND = [0, 1, 10, 100, 199];
const DAY_MS = 86_400_000;

/** How a repository lists its releases. */
interface Layout {
  readonly layout: string;
  readonly keep?: number;
  readonly skip?: boolean;
}

const LAYOUTS: readonly Layout[] = [
  { layout: 'all in targets.json' },
  { layout: '--keep 1', keep: 1 },
  { layout: '--keep 1 --skip', keep: 1, skip: true },
];

const random = createRandom(1);

function weights(name: string, shape: readonly number[]): Tensor {
  const info = { name, dtype: 'float32' as const, shape };
  return { ...info, bytes: new Uint8Array(Float32Array.from({ length: elementCount(info) }, random).buffer) };
}

/** A model, and the payload that leads to it. */
interface Version {
  readonly model: Model;
  readonly payload: Uint8Array;
}

/** Makes consecutive models, each with other values at 250 of 87,000 positions. */
async function makeVersions(): Promise<Version[]> {
  const first = { tensors: [weights('dense/kernel', [490, 128]), weights('head/kernel', [256, 96])] };
  const versions: Version[] = [{ model: first, payload: new Uint8Array() }];
  for (let i = 0; i < RELEASES; i++) {
    const { model } = versions.at(-1) as Version;
    const all = new Set(Array.from({ length: 250 }, () => Math.floor(490 * 128 * random())));
    const positions = Uint32Array.from(all).sort();
    const levels = Int16Array.from(
      positions,
      () => (random() < 0.5 ? -1 : 1) * (1 + Math.floor(3 * random())),
    );
    const op = { kind: 'sparse', tensor: 'dense/kernel', scale: 0.0625, positions, levels } as const;
    versions.push(await packDiff(model, { ops: [op] }));
  }
  return versions;
}

function openMemoryRepository(): RepositoryFiles {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (path) => files.get(path),
    list: async (folder) =>
      [...files.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
    write: async (path, bytes) => void files.set(path, bytes),
  };
}

/** Publishes all versions. @returns the repository */
async function publishAll(versions: readonly Version[], { keep, skip }: Layout): Promise<RepositoryFiles> {
  const signer = async () => {
    const { privateKey } = await createKeyPair();
    return openSigner(new TextEncoder().encode(JSON.stringify(privateKey)), 'key');
  };
  const signers = [await signer(), await signer(), await signer(), await signer()];
  const options: PublishOptions = { signers, now: () => new Date(), keep };
  const roles = Object.fromEntries(ROLES.map((role, i) => [role, { keys: [signers[i]?.key] }]));
  const files = openMemoryRepository();
  await writePublication(files, await initRepository(files, roles as never, options));
  const payloads = new Map<string, Uint8Array>();
  const models = new Map<string, Model>();
  for (let i = 1; i <= RELEASES; i++) {
    const { model } = versions[i - 1] as Version;
    const { payload: bytes } = versions[i] as Version;
    const draft: ReleaseDraft = {
      name: `v${i}.ndiff`,
      bytes,
      counter: i,
      expires: new Date(Date.now() + 90 * DAY_MS),
    };
    const prove = async (each: Partial<ReleaseDraft>, base: Model) => {
      const proven = { ...draft, ...each };
      return { draft: proven, statement: await proveRelease({ ...proven, base: openMemoryStore(base) }) };
    };
    const release = await prove({}, model);
    models.set(release.statement.base as string, model);
    payloads.set(draft.name, bytes);
    const repository = await openRepository(files);
    const plan = skip
      ? planSkips(statementsOf(repository), release.statement)
      : { skips: [], superseded: [] };
    const proven = [release];
    for (const { name, base, parts } of plan.skips) {
      const from = models.get(base) as Model;
      const { payload } = await composePayloads(
        parts.map((part) => payloads.get(part.name) as Uint8Array),
        from,
      );
      proven.push(await prove({ name, bytes: payload }, from));
    }
    await writePublication(
      files,
      await publishProven(repository, { proven, withdrawn: plan.superseded }, options),
    );
  }
  return files;
}

/** Measures what a device with a model fetches. */
async function measure(files: RepositoryFiles, model: Model) {
  const sizes = { requests: 0, metadataBytes: 0 };
  const fetch = async (path: string) => {
    const bytes = await files.read(path);
    if (bytes) {
      sizes.requests++;
      sizes.metadataBytes += bytes.length;
    }
    return bytes;
  };
  const store = openMemoryMetadata();
  const root = (await files.read('metadata/1.root.json')) as Uint8Array;
  const fetchMetadata = (name: string) => fetch(`metadata/${name}`);
  const trust = await refreshTrust({ root, store, fetchMetadata, now: () => new Date() });
  const state = { fingerprint: await fingerprint(openMemoryStore(model)), rejectedModels: [] };
  const device = { ...state, counter: 0, rejectedIn: async () => new Map() };
  const { usable } = await findAllReleases(trust, device, (path) => fetch(`targets/${path}`));
  const { plan } = planUpdate(usable, state);
  const isNewest = plan === undefined || plan.counter === RELEASES ? 'yes' : 'no';
  return { ...sizes, payloads: plan?.steps.length ?? 0, payloadBytes: plan?.bytes ?? 0, isNewest };
}

const start = performance.now();
const versions = await makeVersions();
const rows = [];
for (const layout of LAYOUTS) {
  const files = await publishAll(versions, layout);
  for (const behind of BEHIND) {
    const { model } = versions[RELEASES - behind] as Version;
    rows.push({ layout: layout.layout, behind, ...(await measure(files, model)) });
  }
}
const oneBehind = rows.filter(({ behind, layout }) => behind === 1 && layout !== LAYOUTS[0]?.layout);
const farthest = rows.filter(({ layout }) => layout === LAYOUTS[2]?.layout);
printBench({
  bench: 'repository',
  seconds: (performance.now() - start) / 1000,
  rows,
  goals: [
    {
      id: 'repository.metadata-bytes',
      value: Math.max(...oneBehind.map(({ metadataBytes }) => metadataBytes)),
      goal: 2_500,
      better: 'lower',
    },
    {
      id: 'repository.payloads',
      value: Math.max(...farthest.map(({ payloads }) => payloads)),
      goal: Math.floor(Math.log2(RELEASES) + 1),
      better: 'lower',
    },
  ],
});
