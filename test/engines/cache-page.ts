// Runs in a page: real libraries that run ONNX models, with the cache of this package in front of them.

import { openContainer, openPayload } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import { type ModelCache, openIndexedDbDisk, openModelCache } from 'neural-diff/storage';

/** Where the libraries are served. */
const TRANSFORMERS = '/transformers/transformers.min.js';
const RUNTIME = '/ort/ort.wasm.bundle.min.mjs';

/** Tokens of an example that the models classify. */
const IDS = [5n, 17n, 120n, 3n];

let cache: ModelCache;

export async function open(database: string): Promise<void> {
  cache = openModelCache({ disk: await openIndexedDbDisk({ database }), openModel: openContainer });
}

/** Loads a model by transformers.js as its users do. @returns its outputs */
export async function classify(repository: string, isExternal: boolean): Promise<number[]> {
  const { AutoModelForSequenceClassification, Tensor, env } = await import(TRANSFORMERS);
  env.remoteHost = `${location.origin}/hub/`;
  env.allowLocalModels = false;
  env.backends.onnx.wasm.wasmPaths = `${location.origin}/ort/`;
  env.backends.onnx.wasm.numThreads = 1;
  env.useCustomCache = true;
  env.customCache = cache;
  const model = await AutoModelForSequenceClassification.from_pretrained(repository, {
    dtype: 'fp32',
    device: 'wasm',
    use_external_data_format: isExternal,
  });
  const shape = [1, IDS.length];
  const input_ids = new Tensor('int64', BigInt64Array.from(IDS), shape);
  const attention_mask = new Tensor('int64', new BigInt64Array(IDS.length).fill(1n), shape);
  const { logits } = await model({ input_ids, attention_mask });
  await model.dispose();
  return Array.from(logits.data as Float32Array);
}

/** Loads a model by ONNX Runtime Web, from the cache or from the server. @returns its outputs */
export async function run(address: string, isKept: boolean): Promise<number[]> {
  const ort = await import(RUNTIME);
  ort.env.wasm.wasmPaths = `${location.origin}/ort/`;
  ort.env.wasm.numThreads = 1;
  const { model, externalData } = isKept ? await cache.load(address) : await download(address);
  const session = await ort.InferenceSession.create(model, { externalData });
  const shape = [1, IDS.length];
  const { logits } = await session.run({
    input_ids: new ort.Tensor('int64', BigInt64Array.from(IDS), shape),
    attention_mask: new ort.Tensor('int64', new BigInt64Array(IDS.length).fill(1n), shape),
  });
  await session.release();
  return Array.from(logits.data as Float32Array);
}

async function download(address: string): ReturnType<ModelCache['load']> {
  const bytesOf = async (of: string): Promise<Uint8Array> =>
    new Uint8Array(await (await fetch(of, { cache: 'no-store' })).arrayBuffer());
  const path = `${address.slice(address.lastIndexOf('/') + 1)}_data`;
  return { model: await bytesOf(address), externalData: [{ path, data: await bytesOf(`${address}_data`) }] };
}

/** Updates a model that the cache keeps. */
export async function update(address: string, payloadAddress: string): Promise<void> {
  const payload = new Uint8Array(await (await fetch(payloadAddress)).arrayBuffer());
  const { base, next } = (await openPayload(payload)).header;
  const storage = await cache.storage(address);
  await storage.update(async (store) => void (await applyPayload(store, payload)), { base, next });
  await storage.confirm();
}
