import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { type NodeDisk, openNodeDisk } from '../../src/node/disk.js';
import { openModel, openModelStorage, wholeModel } from '../../src/node/open-model.js';
import { writeCopy } from '../../src/node/output.js';
import { installSlots, openSlots } from '../../src/storage/slots.js';
import { fingerprintOf, type ModelStorage } from '../../src/storage/storage.js';
import { createUpdater } from '../../src/updater/create-updater.js';
import type { Updater } from '../../src/updater/updater.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { CALL_KINDS, type CallKind, withFaultyCalls } from '../rig/faulty-fs.js';
import { Fleet } from '../updater/fleet.js';

/** Codes of the system's errors. */
export const SYSTEM_CODES = ['EIO', 'ENOSPC', 'EACCES', 'EROFS'] as const;

const MAIN = 'model.safetensors';

/** A way to keep a model in a folder of the real file system. */
interface Keeper {
  install(folder: string, file: Uint8Array): Promise<void>;
  open(folder: string): Promise<{ storage: ModelStorage; disk: NodeDisk }>;
}

const openFile = (files: Parameters<typeof openContainer>[0]) => openContainer(files, MAIN);
const slotsOn = (disk: NodeDisk) => ({ disk, folder: 'model', openModel: openFile });

export const KEEPERS: Readonly<Record<'in place' | 'slots', Keeper>> = {
  'in place': {
    install: (folder, file) => writeFile(join(folder, MAIN), file),
    async open(folder) {
      const storage = await openModelStorage(join(folder, MAIN));
      return { storage, disk: storage.disk };
    },
  },
  slots: {
    async install(folder, file) {
      const disk = openNodeDisk(folder);
      await installSlots(slotsOn(disk), openMemoryFiles(new Map([[MAIN, file]])), [MAIN]);
      await disk.close();
    },
    async open(folder) {
      const disk = openNodeDisk(folder);
      return { storage: openSlots(slotsOn(disk)), disk };
    },
  },
};

/** What is done while calls fail. */
export const ACTS = ['update', 'confirm', 'rollback'] as const;
type Act = (typeof ACTS)[number];

/** Which calls fail. */
export interface CallPlan {
  readonly codes: (at: number) => readonly string[];
  /** Whether one call fails, or all from there on, as on a disk that became read-only. */
  readonly lasts: 'once' | 'on';
  /** Which calls are tried: every `step`-th; defaults to 1. */
  readonly step?: number;
}

/** How the runs ended, by the code of the error; `done` without one. */
export type Tally = Record<string, number>;

/** A model with a released update, in a folder of its own for each run. */
export class Bench {
  readonly #fleet: Fleet;
  readonly #keeper: Keeper;
  readonly #templates = new Map<boolean, string>();

  private constructor(fleet: Fleet, keeper: Keeper) {
    this.#fleet = fleet;
    this.#keeper = keeper;
  }

  static async start(name: keyof typeof KEEPERS): Promise<Bench> {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    return new Bench(fleet, KEEPERS[name]);
  }

  /** Fails every call of an act, one after the other, and checks what is left each time. */
  async failEach(act: Act, { codes, lasts, step = 1 }: CallPlan): Promise<Tally> {
    const tally: Tally = {};
    for (const kind of CALL_KINDS)
      for (let from = 0, end = await this.#countCalls(act, kind); from < end; from += step)
        for (const code of codes(from)) {
          const to = lasts === 'on' ? Number.POSITIVE_INFINITY : from + 1;
          const found = await this.#failOne(act, { kind, from, to, code });
          tally[found.end] = (tally[found.end] ?? 0) + 1;
        }
    return tally;
  }

  /** @returns the number of calls of a kind where none fails */
  async #countCalls(act: Act, kind: CallKind): Promise<number> {
    const never = Number.POSITIVE_INFINITY;
    return (await this.#failOne(act, { kind, from: never, to: never, code: '' })).calls;
  }

  async #failOne(
    act: Act,
    fault: { kind: CallKind; from: number; to: number; code: string },
  ): Promise<{ calls: number; end: string }> {
    const folder = await this.#copyOf(act !== 'update');
    let end = 'done';
    const calls = await withFaultyCalls({ ...fault, folder }, () =>
      this.#withUpdater(folder, async (updater) => {
        await updater.start();
        await updater[act]();
      }).catch((error) => {
        end = codeOf(error, fault);
      }),
    );
    await this.#check(folder, act);
    await rm(folder, { recursive: true });
    return { calls, end };
  }

  /** The model is base or next, and everything works in a program that starts afresh. */
  async #check(folder: string, act: Act): Promise<void> {
    const [base, next] = [this.#fleet.version(0).name, this.#fleet.version(1).name];
    await this.#withUpdater(folder, async (updater, storage) => {
      const { status, fingerprint } = await updater.start();
      expect(act === 'confirm' ? [next] : [base, next]).toContain(fingerprint);
      expect(fingerprint).toBe(await fingerprintOf(storage));
      if (status === 'trial') await updater.confirm();
      else if (fingerprint === base && act === 'update') await updater.update();
      expect((await updater.status()).fingerprint).toBe(act === 'rollback' ? fingerprint : next);
    });
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => /\\.lock$/.test(name))).toEqual([]);
  }

  async #withUpdater<T>(
    folder: string,
    use: (updater: Updater, storage: ModelStorage) => Promise<T>,
  ): Promise<T> {
    const { storage, disk } = await this.#keeper.open(folder);
    const { publisher } = this.#fleet;
    const updater = createUpdater({
      storage,
      disk,
      folder: 'updates',
      source: this.#fleet.source(),
      root: publisher.files.files.get('metadata/1.root.json') as Uint8Array,
      now: publisher.clock.now,
    });
    try {
      return await use(updater, storage);
    } finally {
      await disk.close();
    }
  }

  /** @returns a new folder with the model, on trial or not */
  async #copyOf(isTrial: boolean): Promise<string> {
    let template = this.#templates.get(isTrial);
    if (template === undefined) {
      template = await newFolder();
      this.#templates.set(isTrial, template);
      await this.#keeper.install(template, writeSafetensors(this.#fleet.version(0).model));
      if (isTrial) await this.#withUpdater(template, (updater) => updater.update());
    }
    const folder = await newFolder();
    await cp(template, folder, { recursive: true });
    return folder;
  }

  async close(): Promise<void> {
    for (const folder of this.#templates.values()) await rm(folder, { recursive: true });
  }
}

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'neural-diff-calls-'));

/** @returns the code of the package's own error; anything else fails the test */
function codeOf(error: unknown, fault: object): string {
  if (error instanceof NeuralDiffError) return error.code;
  throw new Error(`An error without a code: ${JSON.stringify(fault)}`, { cause: error });
}

/** Fails every call of a patched copy, `apply -o`; the original stays and no copy is left half-way. */
export async function failCopies(codes: (at: number) => readonly string[]): Promise<Tally> {
  const fleet = await Fleet.start(2);
  const folder = await newFolder();
  const [path, to] = [join(folder, MAIN), join(folder, 'next.safetensors')];
  await writeFile(path, writeSafetensors(fleet.version(0).model));
  const before = await readFile(path);
  const copy = async (): Promise<void> => {
    await writeCopy({ ...(await wholeModel(path)), to }, async (staged) => {
      const store = await openModel(staged, { writable: true });
      await applyPayload(store, fleet.version(1).payload).finally(() => store.close());
    });
  };
  const tally: Tally = {};
  for (const kind of CALL_KINDS) {
    const never = Number.POSITIVE_INFINITY;
    const calls = await withFaultyCalls({ kind, from: never, to: never, code: '', folder }, copy);
    await rm(to);
    for (let from = 0; from < calls; from++)
      for (const code of codes(from)) {
        let end = 'done';
        await withFaultyCalls({ kind, from, code, folder }, () =>
          copy().catch((error) => {
            end = codeOf(error, { kind, from, code });
          }),
        );
        tally[end] = (tally[end] ?? 0) + 1;
        expect((await readFile(path)).equals(before)).toBe(true);
        await rm(to, { force: true });
        await copy();
        expect(await fingerprintOf({ open: () => openModel(to) })).toBe(fleet.version(1).name);
        await rm(to);
      }
  }
  await rm(folder, { recursive: true });
  return tally;
}
