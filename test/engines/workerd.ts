import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Engine, type Material, packaged } from './engine.js';
import type { Proof } from './prove.js';

/** Cloudflare's Workers, which run on V8 and compile no WebAssembly at run time. */
export const WORKERD: Engine = { name: 'workerd', needs: [packaged('miniflare')], run: runWorkerd };

const MAIN = `
import './prove.mjs';
import text from './small.txt';
export default { fetch: async () => new Response(JSON.stringify(await prove(text))) };`;

/** What is used of the package `miniflare`. */
interface Miniflare {
  dispatchFetch(address: string): Promise<Response>;
  dispose(): Promise<void>;
}

async function runWorkerd({ folder }: Material): Promise<Proof> {
  const { Miniflare } = createRequire(import.meta.url)(packaged('miniflare')) as {
    Miniflare: new (options: object) => Miniflare;
  };
  const worker = new Miniflare({
    modules: [
      { type: 'ESModule', path: 'main.mjs', contents: MAIN },
      { type: 'ESModule', path: 'prove.mjs', contents: readFileSync(join(folder, 'prove.mjs'), 'utf8') },
      { type: 'Text', path: 'small.txt', contents: readFileSync(join(folder, 'small.json'), 'utf8') },
    ],
    compatibilityDate: '2026-07-01',
  });
  try {
    const response = await worker.dispatchFetch('http://localhost/');
    return (await response.json()) as Proof;
  } finally {
    await worker.dispose();
  }
}
