import { afterEach, expect, test, vi } from 'vitest';
import { createFastPatcher, createPatcher } from '../../../src/apply/fast/create-patcher.js';
import type { HashOp } from '../../../src/payload/diff.js';
import { plainPatcher } from '../../../src/payload/patch.js';
import { seededTensor } from '../../support.js';
import { plainly } from './samples.js';

const tensor = seededTensor('weights', 'float32', [100]);
const op: HashOp = {
  kind: 'hash',
  tensors: [{ tensor: 'weights', scale: 0.5 }],
  seed: 1,
  block: 1,
  buckets: { coding: 'levels', values: Int8Array.of(1, -1, 1) },
};
const expected = plainly([op], tensor, { startElement: 0, bytes: tensor.bytes });

/** What exists of WebAssembly, with some of it replaced. */
function stub(parts: Partial<typeof WebAssembly>): void {
  const { Module, Instance, Memory, CompileError } = WebAssembly;
  vi.stubGlobal('WebAssembly', { Module, Instance, Memory, CompileError, ...parts });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test('createPatcher() gives a fast patcher where the runtime has what it needs', () => {
  expect(createPatcher()).not.toBe(plainPatcher);
});

test('createPatcher() gives the plain patcher where there is no WebAssembly', () => {
  vi.stubGlobal('WebAssembly', undefined);
  expect(createPatcher()).toBe(plainPatcher);
  expect(createFastPatcher).toThrow(TypeError);
});

test('createPatcher() gives the plain patcher where WebAssembly is forbidden or lacks instructions', () => {
  const { CompileError } = WebAssembly;
  class Module {
    constructor() {
      throw new CompileError('refused by the content security policy');
    }
  }
  stub({ Module: Module as unknown as typeof WebAssembly.Module });
  expect(createPatcher()).toBe(plainPatcher);
  expect(createFastPatcher).toThrow(CompileError);
});

test('createFastPatcher() patches plain arrays where no wasm memory is to be had', () => {
  class Memory {
    constructor() {
      throw new RangeError('could not allocate memory');
    }
  }
  stub({ Memory: Memory as unknown as typeof WebAssembly.Memory });
  const patcher = createFastPatcher();
  const bytes = patcher.allocate(tensor.bytes.length);
  expect(bytes.buffer.byteLength).toBe(tensor.bytes.length);
  bytes.set(tensor.bytes);
  patcher.patch([op], tensor, { startElement: 0, bytes });
  expect(bytes).toEqual(expected);
});

test('createFastPatcher() lends an ordinary array for more bytes than an address of 32 bits reaches', () => {
  expect(createFastPatcher().allocate(2 ** 32 - 2 ** 20).buffer.byteLength).toBe(2 ** 32 - 2 ** 20);
});

test('plainPatcher patches the arrays that it allocates', () => {
  const bytes = plainPatcher.allocate(tensor.bytes.length);
  bytes.set(tensor.bytes);
  plainPatcher.patch([op], tensor, { startElement: 0, bytes });
  expect(bytes).toEqual(expected);
});
