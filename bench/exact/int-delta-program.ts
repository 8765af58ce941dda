// The program that programs.ts times: encode BASE NEXT OUT plain|split, or decode BASE DELTA OUT.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { concatBytes } from '../../src/model/bytes.js';
import type { PlacedStore } from '../../src/model/placed-store.js';
import { copyModel } from '../../src/model/store.js';
import { listModelFiles, openModelView } from '../../src/node/open-model.js';
import { type Contents, decodeDelta, encodeDelta } from './int-delta.js';

const [command, base = '', input = '', out = '', form] = process.argv.slice(2);
const from = await readContents(base);
const made =
  command === 'encode'
    ? encodeDelta(from, await readContents(input), { isSplit: form === 'split' })
    : decodeDelta(from, readFileSync(input));
writeFileSync(out, made);

/** Reads a model whole, and what its files contain between tensors. */
async function readContents(path: string): Promise<Contents> {
  const { store } = await openModelView(path);
  const { placed } = store as PlacedStore;
  const { folder, names } = await listModelFiles(path);
  const rest: Uint8Array[] = [];
  for (const name of names) {
    const bytes = readFileSync(join(folder, name));
    const extents = placed.flatMap((tensor) => tensor.extents.filter((extent) => extent.path === name));
    let at = 0;
    for (const { offset, length } of extents.sort((a, b) => a.offset - b.offset)) {
      rest.push(bytes.subarray(at, offset));
      at = offset + length;
    }
    rest.push(bytes.subarray(at));
  }
  try {
    return { tensors: (await copyModel(store)).tensors, rest: concatBytes(rest) };
  } finally {
    await store.close();
  }
}
