import variant from '@jitl/quickjs-wasmfile-release-sync';
import { newQuickJSWASMModuleFromVariant, type QuickJSSyncVariant } from 'quickjs-emscripten-core';
import { expect, test } from 'vitest';
import { bundleForEngine } from './bundle.js';
import { kitCases } from './kit-cases.js';

/** Bytes become text in hexadecimal digits: the engine has no other way to take them. */
const plain = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    each instanceof Uint8Array ? { hex: Buffer.from(each).toString('hex') } : each,
  );

const PROGRAM = `
import { capabilities, runKit } from 'kit';
const bytesOf = (digits) =>
  Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.substr(2 * i, 2), 16));
const cases = JSON.parse(globalThis.text, (_, each) => (typeof each?.hex === 'string' ? bytesOf(each.hex) : each));
runKit(cases).then(
  (failed) => { globalThis.result = JSON.stringify({ found: capabilities(), failed }); },
  (error) => { globalThis.result = JSON.stringify({ failed: [String(error), error.stack] }); },
);`;

test('the conformance kit passes in QuickJS, which has nothing but the language', async () => {
  const kit = await bundleForEngine('kit.ts');
  const engine = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  const runtime = engine.newRuntime();
  runtime.setMaxStackSize(2 ** 20);
  runtime.setModuleLoader(() => kit);
  const context = runtime.newContext();
  const cases = kitCases().filter(({ base }) => base.tensors.every(({ bytes }) => bytes.length < 10_000));
  expect(cases.length).toBeGreaterThan(80);
  context.newString(plain(cases)).consume((text) => context.setProp(context.global, 'text', text));
  context.unwrapResult(context.evalCode(PROGRAM, 'program.js', { type: 'module' })).dispose();
  while (runtime.hasPendingJob()) context.unwrapResult(runtime.executePendingJobs());
  const result = context.getProp(context.global, 'result').consume((found) => context.dump(found));
  expect(JSON.parse(result)).toEqual({ found: { webAssembly: false, webCrypto: false }, failed: [] });
  context.dispose();
  runtime.dispose();
});
