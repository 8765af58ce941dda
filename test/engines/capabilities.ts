/** What an engine may have, and what of the package uses it. */
export const CAPABILITIES = {
  webAssembly: 'WebAssembly',
  simd: 'SIMD',
  webCrypto: 'WebCrypto',
  ed25519: 'Ed25519',
  locks: 'Web Locks',
  indexedDb: 'IndexedDB',
  opfs: 'OPFS',
  writable: 'createWritable',
  syncAccess: 'sync access handles',
  webgl: 'WebGL',
  webgpu: 'WebGPU',
} as const;

/** What an engine has. */
export type Found = Record<keyof typeof CAPABILITIES, boolean>;

/** A module without anything, and one whose function gives a vector. */
const EMPTY = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
const VECTOR = Uint8Array.of(
  ...[...EMPTY, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

/** @returns what the engine has, each of it tried out */
export async function findCapabilities(): Promise<Found> {
  const opfs = await works(() => navigator.storage.getDirectory());
  return {
    webAssembly: await works(() => new WebAssembly.Module(EMPTY)),
    simd: await works(() => new WebAssembly.Module(VECTOR)),
    webCrypto: globalThis.crypto?.subtle !== undefined,
    ed25519: await works(() => crypto.subtle.importKey('raw', PUBLIC_KEY, 'Ed25519', false, ['verify'])),
    locks: await works(() => navigator.locks.request('neural-diff', () => undefined)),
    indexedDb: await works(openDatabase),
    opfs,
    writable: opfs && (await works(writeFile)),
    syncAccess: opfs && (await works(askWorker)),
    webgl: await works(() => context('webgl2')),
    webgpu: await works(async () => {
      const { gpu } = navigator as unknown as { gpu: { requestAdapter(): Promise<unknown> } };
      if (!(await gpu.requestAdapter())) throw new Error('no adapter');
    }),
  };
}

/** Public key of the first test of RFC 8032. Making a key fails in WebKit now and then. */
const PUBLIC_KEY = Uint8Array.from(
  'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'.match(/../g) ?? [],
  (digits) => Number.parseInt(digits, 16),
);

async function works(run: () => unknown): Promise<boolean> {
  try {
    await run();
    return true;
  } catch {
    return false;
  }
}

function openDatabase(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('capabilities');
    request.onsuccess = resolve;
    request.onerror = reject;
  });
}

async function writeFile(): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  const file = await folder.getFileHandle('capability', { create: true });
  const writable = await file.createWritable();
  await writable.write(Uint8Array.of(1));
  await writable.close();
}

/** Opens a file for synchronous access: dedicated workers alone may. */
export async function writeInWorker(): Promise<void> {
  const folder = await navigator.storage.getDirectory();
  const file = await folder.getFileHandle('worker', { create: true });
  const { createSyncAccessHandle } = file as unknown as {
    createSyncAccessHandle(): Promise<{ close(): void }>;
  };
  (await createSyncAccessHandle.call(file)).close();
}

/** Lets `worker.js`, which lies next to the page, try it. */
function askWorker(): Promise<void> {
  const worker = new Worker('worker.js');
  return new Promise<void>((resolve, reject) => {
    worker.onmessage = ({ data }) => (data === 'ok' ? resolve() : reject(data));
    worker.onerror = reject;
  }).finally(() => worker.terminate());
}

function context(kind: 'webgl2'): void {
  if (!document.createElement('canvas').getContext(kind)) throw new Error(`no ${kind}`);
}
