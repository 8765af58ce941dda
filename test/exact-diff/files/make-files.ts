import { applyPayload } from '../../../src/apply/apply-payload.js';
import { openAnyFile } from '../../../src/containers/open-container.js';
import { diffFiles } from '../../../src/exact-diff/diff-files.js';
import { NeuralDiffError } from '../../../src/model/errors.js';
import { type ModelFiles, openMemoryFiles } from '../../../src/model/model-files.js';
import type { WeightStore } from '../../../src/model/store.js';
import { joinPieces } from '../../../src/payload/encode.js';
import { openRewritable } from '../../../src/storage/storage.js';

/** A model's files by their paths, the main file first. */
export type FileMap = ReadonlyMap<string, Uint8Array>;

export const filesOf = (files: Record<string, Uint8Array>): FileMap => new Map(Object.entries(files));

/** Opens a model of files in memory, as `openFilesModel` does on disk. */
export async function openFileMap(map: FileMap): Promise<{ store: WeightStore; files: ModelFiles }> {
  const files = openMemoryFiles(map);
  const [main] = map.keys();
  return { store: (await openAnyFile(files, main as string)).store, files };
}

/** @returns the diff of two models in memory, with the payload as one array */
export async function diffMaps(base: FileMap, next: FileMap, others: readonly string[] = []) {
  const diff = await diffFiles((await openFileMap(base)).store, { ...(await openFileMap(next)), others });
  return { ...diff, payload: await joinPieces(diff) };
}

/** @returns a folder in memory in which writing makes and extends files */
export function growingFiles(map: Map<string, Uint8Array>): ModelFiles {
  return {
    ...openMemoryFiles(map),
    async write(path, offset, bytes) {
      const known = map.get(path) ?? new Uint8Array(0);
      if (offset > known.length) throw new NeuralDiffError('file-unreadable', `a hole in "${path}"`);
      const longer = new Uint8Array(Math.max(known.length, offset + bytes.length));
      longer.set(known);
      longer.set(bytes, offset);
      map.set(path, longer);
    },
  };
}

/** @returns the files that a payload makes of a model in files, and how applying ended */
export async function makeFiles(base: FileMap, payload: Uint8Array) {
  return makeFilesOf((await openFileMap(base)).store, payload);
}

/** @returns the files that a payload makes of a model, the model that they are, and how applying ended */
export async function makeFilesOf(base: WeightStore, payload: Uint8Array) {
  const made = new Map<string, Uint8Array>();
  const store = openRewritable(base, async (write) => {
    const files = growingFiles(made);
    const main = await write(files);
    return (await openAnyFile(files, main)).store;
  });
  return { made, store, result: await applyPayload(store, payload) };
}
