import { openSafetensorsStore } from '../../src/containers/safetensors.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import type { ReleaseDraft } from '../../src/publish/prove-release.js';
import type { Disk } from '../../src/storage/disk.js';
import type { ModelStorage } from '../../src/storage/storage.js';
import { createUpdater } from '../../src/updater/create-updater.js';
import type { UpdateSource } from '../../src/updater/http-source.js';
import type { Updater, UpdaterOptions } from '../../src/updater/updater.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { Publisher } from '../publish/publisher.js';
import { Clock } from '../release/maker.js';
import type { FaultyDisk } from '../rig/faulty-disk.js';
import { MAIN, STORAGES, type StorageKind } from '../storage/storages.js';
import { pack, seededTensor } from '../support.js';

/** A model, its fingerprint, and the payload that leads to it from the one before. */
export interface Version {
  readonly model: Model;
  readonly name: string;
  readonly payload: Uint8Array;
}

/** Consecutive models, a repository that releases them, and devices that follow it. */
export class Fleet {
  readonly publisher: Publisher;
  readonly versions: readonly Version[];

  private constructor(publisher: Publisher, versions: readonly Version[]) {
    this.publisher = publisher;
    this.versions = versions;
  }

  /** Makes so many versions, and releases none. */
  static async start(count = 3, clock = new Clock()): Promise<Fleet> {
    const first: Model = {
      tensors: [seededTensor('a/kernel', 'float32', [40, 64]), seededTensor('b/bias', 'int8', [600], 3)],
    };
    const versions: Version[] = [{ model: first, name: await nameOfModel(first), payload: new Uint8Array() }];
    while (versions.length < count) {
      const { model } = versions.at(-1) as Version;
      const positions = Uint32Array.of(versions.length, 1_100, 2_559);
      const levels = Int16Array.of(3, -versions.length, 5);
      const op = { kind: 'sparse', tensor: 'a/kernel', scale: 0.25, positions, levels } as const;
      const { payload, next } = await pack(model, { ops: [op] });
      versions.push({ model: next, name: await nameOfModel(next), payload });
    }
    return new Fleet(await Publisher.start(clock), versions);
  }

  /** Makes so many versions by the real clock, as the command line has it. */
  static startNow(count: number): Promise<Fleet> {
    const clock = new Clock();
    clock.time = Date.now();
    return Fleet.start(count, clock);
  }

  version(index: number): Version {
    return this.versions[index] as Version;
  }

  /** Releases the payload that leads to a version from the one before. */
  async release(index: number, draft: Partial<ReleaseDraft> = {}): Promise<void> {
    const base = openMemoryStore(this.version(index - 1).model);
    const bytes = this.version(index).payload;
    await this.publish({ base, name: `v${index}.ndiff`, bytes, counter: index, ...draft });
  }

  /** Releases a version as a whole model. */
  async releaseWhole(index: number, draft: Partial<ReleaseDraft> = {}): Promise<void> {
    const bytes = writeSafetensors(this.version(index).model);
    await this.publish({ name: `v${index}.safetensors`, bytes, counter: index, ...draft });
  }

  async publish(draft: Omit<ReleaseDraft, 'expires'> & Partial<ReleaseDraft>): Promise<void> {
    await this.publisher.publish({ expires: new Date(this.publisher.clock.after(60)), ...draft });
  }

  /** The repository, without a network between. */
  source(): UpdateSource {
    const { files } = this.publisher;
    return {
      fetch: async (path) => files.read(path),
      async open(path, { offset }) {
        const bytes = await files.read(path);
        if (bytes === undefined) throw new NeuralDiffError('network', `no ${path}`);
        async function* pieces() {
          for (let at = offset; at < (bytes as Uint8Array).length; at += 100)
            yield (bytes as Uint8Array).subarray(at, at + 100);
        }
        return { offset, pieces: pieces() };
      },
    };
  }

  /** Makes a device that has a version. */
  async device(index = 0, kind: StorageKind = STORAGES[0] as StorageKind): Promise<Device> {
    const disk = await kind.create(writeSafetensors(this.version(index).model));
    return new Device(this, { disk, kind });
  }
}

async function nameOfModel(model: Model): Promise<string> {
  const files = openMemoryFiles(new Map([[MAIN, writeSafetensors(model)]]));
  return await fingerprint(await openSafetensorsStore(files, MAIN));
}

/** A device with a disk; it may be started again. */
export class Device {
  readonly fleet: Fleet;
  readonly kind: StorageKind;
  readonly disk: FaultyDisk;

  constructor(fleet: Fleet, { disk, kind }: { disk: FaultyDisk; kind: StorageKind }) {
    this.fleet = fleet;
    this.disk = disk;
    this.kind = kind;
  }

  storage(disk: Disk = this.disk): ModelStorage {
    return this.kind.open(disk);
  }

  /** Starts the program: nothing but the disk is left of what was before. */
  updater(options: Partial<UpdaterOptions> & { disk?: Disk } = {}): Updater {
    const { disk = this.disk } = options;
    const { publisher } = this.fleet;
    return createUpdater({
      storage: this.storage(disk),
      disk,
      folder: 'updates',
      source: this.fleet.source(),
      root: publisher.files.files.get('metadata/1.root.json') as Uint8Array,
      now: publisher.clock.now,
      openModelFile: openSafetensorsStore,
      waitMs: () => 1,
      ...options,
    });
  }
}
