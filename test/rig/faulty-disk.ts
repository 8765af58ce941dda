import { NeuralDiffError } from '../../src/model/errors.js';
import { type Disk, folderOf } from '../../src/storage/disk.js';
import { FaultyFile, type Random } from './faulty-file.js';
import { FaultyNames } from './faulty-names.js';

/** Thrown by every operation from the cut on. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';

  constructor() {
    super('the power is cut');
  }
}

/** What goes wrong; operations are counted from 0, reads among them. */
export interface Faults {
  /**
   * Operation at which the power goes: it and all behind it throw `PowerCut`. A write is on its way to the
   * disk then.
   */
  readonly cutAt?: number | undefined;
  /** Operation that fails, once, as a bad sector or a lost mount makes it fail. */
  readonly failAt?: number | undefined;
  /** Bytes that all files may take; writes beyond throw `no-space`. */
  readonly capacity?: number | undefined;
}

/**
 * What a power loss leaves of what was not synced: everything, nothing, or, by a seed, any part of it: some
 * writes and not others, the first bytes of a write, some names and not others.
 */
export type Survival = 'all' | 'none' | { readonly seed: number };

/** A disk in memory that knows what is durable, and goes wrong as it is told. */
export interface FaultyDisk extends Disk {
  /** Operations so far, in words: `write model 4096+512`. */
  readonly log: readonly string[];
  /** @returns a disk with the same content, durable or not, and faults of its own */
  clone(faults?: Faults): FaultyDisk;
  /** @returns the disk as it is found after a power loss, all of it durable */
  afterCut(survival: Survival, faults?: Faults): FaultyDisk;
  /** @returns the bytes of a file now */
  content(path: string): Uint8Array;
}

/**
 * Makes a disk in memory, all of it durable.
 *
 * @param files contents by path, copied
 */
export function createFaultyDisk(
  files: ReadonlyMap<string, Uint8Array> = new Map(),
  faults: Faults = {},
): FaultyDisk {
  const names = new FaultyNames(
    new Map([...files].map(([path, bytes]) => [path, new FaultyFile(bytes.slice())])),
  );
  return openDisk(names, faults);
}

/** Counts an operation, and fails where it is to; an interruption one may have been on its way. */
type Step = (text: string, torn?: () => void) => void;

function createStep(log: string[], faults: Faults): Step {
  return (text, torn) => {
    const at = log.length;
    if (faults.cutAt !== undefined && at >= faults.cutAt) {
      if (at === faults.cutAt) torn?.();
      log.push(text);
      throw new PowerCut();
    }
    log.push(text);
    if (at === faults.failAt)
      throw new NeuralDiffError('file-unreadable', `Cannot ${text}: input/output error`);
  };
}

/** Locks of this run of the machine: none outlives an interruption. */
function createLocks(): Disk['withLock'] {
  const held = new Set<string>();
  return async (name, run) => {
    if (held.has(name)) throw new NeuralDiffError('locked', `Cannot lock "${name}": somebody holds it`);
    held.add(name);
    try {
      return await run();
    } finally {
      held.delete(name);
    }
  };
}

function openDisk(names: FaultyNames, faults: Faults): FaultyDisk {
  const log: string[] = [];
  const step = createStep(log, faults);
  return {
    log,
    clone: (other = {}) => openDisk(names.clone(), other),
    afterCut: (survival, other = {}) => openDisk(names.afterCut(randomOf(survival)), other),
    content: (path) => names.find(path).bytes.slice(),
    async size(path) {
      step(`size ${path}`);
      return names.get(path)?.bytes.length;
    },
    async readInto(path, offset, target) {
      step(`read ${path} ${offset}+${target.length}`);
      const { bytes } = names.find(path);
      if (offset + target.length > bytes.length)
        throw new NeuralDiffError('file-unreadable', `Cannot read "${path}": it ends at ${bytes.length}`);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    async write(path, offset, bytes) {
      const write = (): void => names.make(path).write(offset, bytes.slice());
      step(`write ${path} ${offset}+${bytes.length}`, write);
      const grows = Math.max(0, offset + bytes.length - (names.get(path)?.bytes.length ?? 0));
      if (grows > 0 && names.totalBytes() + grows > (faults.capacity ?? Number.POSITIVE_INFINITY))
        throw new NeuralDiffError('no-space', `Cannot write "${path}": the disk is full`);
      write();
    },
    async sync(path) {
      step(`sync ${path}`);
      names.find(path).sync();
    },
    async rename(from, to) {
      step(`rename ${from} ${to}`, () => names.rename(from, to));
      names.rename(from, to);
    },
    async remove(path) {
      step(`remove ${path}`, () => names.remove(path));
      names.remove(path);
    },
    async list(folder) {
      step(`list ${folder}`);
      return names.list(folder);
    },
    async freeBytes() {
      step('free bytes');
      return (faults.capacity ?? Number.POSITIVE_INFINITY) - names.totalBytes();
    },
    async syncDirectory(folder) {
      step(`sync names ${folder}`);
      names.sync((path) => folderOf(path) === folder);
    },
    withLock: createLocks(),
  };
}

/** @returns what decides what survives: numbers from 0 to 1, all 0 for nothing, all 1 for everything */
function randomOf(survival: Survival): Random {
  if (survival === 'all') return () => 1;
  if (survival === 'none') return () => 0;
  let state = survival.seed | 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
