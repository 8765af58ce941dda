import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import variant from '@jitl/quickjs-wasmfile-release-sync';
import { build } from 'esbuild';
import { newQuickJSWASMModuleFromVariant, type QuickJSSyncVariant } from 'quickjs-emscripten-core';
import { weightsInfo } from './patch-cases.js';

/** The build, seen from this file in it. */
const BUILD = join(import.meta.dirname, '..', '..', 'src');

/** What QuickJS runs: it has the language and nothing else. */
const PROGRAM = `
import { applyPayload } from './apply/apply-payload.js';
import { openMemoryStore } from './model/store.js';
globalThis.setTimeout = (run) => void Promise.resolve().then(run);
globalThis.apply = (info, base, payload) => {
  const bytes = new Uint8Array(base);
  const store = openMemoryStore({ tensors: [{ ...info, bytes }] });
  applyPayload(store, new Uint8Array(payload)).then(
    ({ status }) => { globalThis.result = status; },
    (error) => { globalThis.result = String(error); },
  );
};`;

/**
 * Applies payloads in QuickJS, an interpreter without WebAssembly and WebCrypto.
 *
 * @param folder has `base` and a payload by each of the names
 * @returns seconds of one application, by name
 */
export async function applyInQuickJs(
  folder: string,
  weights: number,
  names: readonly string[],
): Promise<Record<string, number[]>> {
  const { outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: BUILD },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
  });
  const engine = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  const runtime = engine.newRuntime();
  const context = runtime.newContext();
  const evaluate = (code: string): void => context.unwrapResult(context.evalCode(code)).dispose();
  const give = (name: string): void => {
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    context
      .newArrayBuffer(bytes.buffer)
      .consume((buffer) => context.setProp(context.global, 'given', buffer));
    evaluate(`globalThis[${JSON.stringify(name)}] = given`);
  };
  evaluate(outputFiles[0]?.text as string);
  give('base');
  const seconds: Record<string, number[]> = {};
  for (const name of names) {
    give(name);
    const start = performance.now();
    evaluate(
      `apply(${JSON.stringify(weightsInfo(weights))}, base.slice(), globalThis[${JSON.stringify(name)}])`,
    );
    while (runtime.hasPendingJob()) context.unwrapResult(runtime.executePendingJobs());
    seconds[name] = [(performance.now() - start) / 1000];
    const result = context.getProp(context.global, 'result').consume((found) => context.dump(found));
    if (result !== 'applied') throw new Error(`Cannot apply in QuickJS: ${result}`);
  }
  return seconds;
}
