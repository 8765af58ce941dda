// Runs in a page, in a worker and in Node: what it returns must be the same in all three.

import {
  fingerprint,
  NeuralDiffError,
  openLayersStore,
  openMemoryFiles,
  openMemoryStore,
  type WeightStore,
} from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';

/** What became of one copy of the model. */
export interface Outcome {
  /** `applied`, or the code of the refusal. */
  readonly first: string;
  /** The same of a second attempt. */
  readonly second: string;
  /** Of the copy after both. */
  readonly fingerprint: string;
}

/** The outcomes for the two ways in which the device kit holds a model. */
export type Outcomes = Readonly<Record<'folder' | 'memory', Outcome>>;

/**
 * Downloads a model and a payload, and patches two copies of the model: as a LayersModel folder and as
 * tensors in memory.
 *
 * @param origin of the server that has both
 * @param payloadPath the payload's path there
 */
export async function patchCopies(origin: string, payloadPath: string): Promise<Outcomes> {
  const payload = await download(`${origin}/${payloadPath}`);
  const open = async () => openLayersStore(openMemoryFiles(await downloadFolder(`${origin}/model`)));
  return {
    folder: await patchTwice(await open(), payload),
    memory: await patchTwice(await toMemory(await open()), payload),
  };
}

async function patchTwice(store: WeightStore, payload: Uint8Array): Promise<Outcome> {
  const first = await attempt(store, payload);
  const second = await attempt(store, payload);
  return { first, second, fingerprint: await fingerprint(store) };
}

async function attempt(store: WeightStore, payload: Uint8Array): Promise<string> {
  try {
    return (await applyPayload(store, payload)).status;
  } catch (error) {
    if (error instanceof NeuralDiffError) return error.code;
    throw error;
  }
}

/** Reads the tensors into one buffer, so that each is a view with an offset of its own. */
async function toMemory(store: WeightStore): Promise<WeightStore> {
  const sizes: Partial<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2, int32: 4 };
  const lengths = store.tensors.map(({ dtype, shape }) => shape.reduce((a, b) => a * b, sizes[dtype] ?? 1));
  const buffer = new Uint8Array(lengths.reduce((a, b) => a + b, 1));
  let start = 1;
  const tensors = [];
  for (const [i, info] of store.tensors.entries()) {
    const bytes = buffer.subarray(start, start + (lengths[i] as number));
    await store.readInto(info.name, 0, bytes);
    tensors.push({ ...info, bytes });
    start += bytes.length;
  }
  return openMemoryStore({ tensors });
}

/** @returns contents by path of a LayersModel folder that a server has */
export async function downloadFolder(address: string): Promise<Map<string, Uint8Array>> {
  const json = await download(`${address}/model.json`);
  const { weightsManifest } = JSON.parse(new TextDecoder().decode(json)) as {
    weightsManifest: { paths: string[] }[];
  };
  const files = new Map([['model.json', json]]);
  for (const path of weightsManifest.flatMap(({ paths }) => paths)) {
    files.set(path, await download(`${address}/${path}`));
  }
  return files;
}

/** @returns the bytes at an address */
export async function download(address: string): Promise<Uint8Array> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`Cannot download "${address}": got status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
