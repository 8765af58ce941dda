import { openMemoryStore, type WeightStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import type { RepositoryFiles } from '../../src/publish/files.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { createKeyPair, openSigner, type Signer } from '../../src/publish/keys.js';
import type { ReleaseDraft } from '../../src/publish/prove-release.js';
import { publishRelease } from '../../src/publish/publish-release.js';
import { openRepository, type PublishOptions, writePublication } from '../../src/publish/repository.js';
import { ROLES, type Role } from '../../src/release/metadata.js';
import { Clock, TestDevice } from '../release/maker.js';
import { pack, sampleModel } from '../support.js';

/** A repository in memory that fails when its writes are used up. */
export class MemoryRepository implements RepositoryFiles {
  readonly files = new Map<string, Uint8Array>();
  readonly written: string[] = [];
  writesLeft = Number.POSITIVE_INFINITY;

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.slice();
  }
  async list(folder: string): Promise<readonly string[]> {
    const inside = [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`));
    return inside.map((path) => path.slice(folder.length + 1));
  }
  async write(path: string, bytes: Uint8Array): Promise<void> {
    if (this.writesLeft-- <= 0) throw new Error('power loss');
    this.files.set(path, bytes.slice());
    this.written.push(path);
  }

  readonly fetchMetadata = async (name: string): Promise<Uint8Array | undefined> =>
    this.read(`metadata/${name}`);
}

export async function freshSigner(): Promise<Signer> {
  const { privateKey } = await createKeyPair();
  return openSigner(new TextEncoder().encode(JSON.stringify(privateKey)), 'key');
}

/** A maker with a key for every role, two for root and targets, and a repository. */
export class Publisher {
  readonly clock: Clock;
  readonly files = new MemoryRepository();
  readonly signers: Record<Role, Signer[]>;
  /** Releases that the metadata list; all without it. */
  keep: number | undefined;

  private constructor(signers: Record<Role, Signer[]>, clock: Clock) {
    this.signers = signers;
    this.clock = clock;
  }

  static async start(clock = new Clock()): Promise<Publisher> {
    const entries = ROLES.map(async (role) => [role, [await freshSigner(), await freshSigner()]] as const);
    const maker = new Publisher(
      Object.fromEntries(await Promise.all(entries)) as unknown as Record<Role, Signer[]>,
      clock,
    );
    await writePublication(maker.files, await initRepository(maker.files, maker.roles(), maker.options()));
    return maker;
  }

  roles() {
    const thresholds = { root: 2, targets: 2, snapshot: 1, timestamp: 1 };
    return Object.fromEntries(
      ROLES.map((role) => [
        role,
        { keys: this.signers[role].map(({ key }) => key), threshold: thresholds[role] },
      ]),
    ) as Record<Role, { keys: Signer['key'][]; threshold: number }>;
  }

  options(signers = Object.values(this.signers).flat()): PublishOptions {
    return { signers, now: this.clock.now, keep: this.keep };
  }

  async publish(draft: ReleaseDraft, options = this.options()) {
    const publication = await publishRelease(await openRepository(this.files), draft, options);
    await writePublication(this.files, publication);
    return publication;
  }

  device(): TestDevice {
    return new TestDevice({
      clock: this.clock,
      files: new Map([['1.root.json', this.files.files.get('metadata/1.root.json') as Uint8Array]]),
    } as never);
  }
}

/** A base, and a payload that a release may carry. */
export async function sampleUpdate(): Promise<{
  base: WeightStore;
  model: Model;
  payload: Uint8Array;
  next: Model;
}> {
  const model = sampleModel();
  const diff = {
    ops: [
      {
        kind: 'sparse' as const,
        tensor: 'conv/kernel',
        scale: 0.5,
        positions: Uint32Array.of(3, 17),
        levels: Int16Array.of(1, -2),
      },
    ],
  };
  const { payload, next } = await pack(model, diff);
  return { base: openMemoryStore(model), model, payload, next };
}

/** @returns a safetensors file of one float32 tensor */
export function safetensors(values: readonly number[]): Uint8Array {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  const header = new TextEncoder().encode(
    JSON.stringify({ w: { dtype: 'F32', shape: [values.length], data_offsets: [0, data.length] } }).padEnd(
      96,
    ),
  );
  const file = new Uint8Array(8 + header.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  file.set(data, 8 + header.length);
  return file;
}
