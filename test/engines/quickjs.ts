import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import variant from '@jitl/quickjs-wasmfile-release-sync';
import { newQuickJSWASMModuleFromVariant, type QuickJSSyncVariant } from 'quickjs-emscripten-core';
import type { Engine, Material } from './engine.js';
import type { Proof } from './prove.js';

/** QuickJS, which has the language and nothing else. */
export const QUICKJS: Engine = { name: 'QuickJS', needs: [], run: runQuickJs };

async function runQuickJs({ folder }: Material): Promise<Proof> {
  const engine = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  const runtime = engine.newRuntime();
  runtime.setMaxStackSize(2 ** 20);
  const context = runtime.newContext();
  const evaluate = (code: string): void => context.unwrapResult(context.evalCode(code)).dispose();
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  context.newString(read('small.json')).consume((text) => context.setProp(context.global, 'text', text));
  evaluate(read('bare-host.js'));
  evaluate(read('prove.js'));
  evaluate(`prove(text).then(
    (proof) => { globalThis.result = JSON.stringify(proof); },
    (error) => { globalThis.result = JSON.stringify({ kit: [error + error.stack] }); },
  );`);
  while (runtime.hasPendingJob()) context.unwrapResult(runtime.executePendingJobs());
  const result = context.getProp(context.global, 'result').consume((found) => context.dump(found));
  // Not disposed: its check that nothing is left counts promises that never settle, those of timers.
  return JSON.parse(result) as Proof;
}
