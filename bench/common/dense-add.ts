import { compileAssembly } from '../../scripts/compile-assembly.js';

const PAGE_BYTES = 65_536;

/** Adds one float32 array to another in place, in two ways. */
export interface DenseAdd {
  /** Four at a time, in wasm. */
  inWasm(): void;
  /** One at a time, in a loop over typed arrays in the same memory. */
  inScript(): void;
}

/**
 * Makes what patching is compared with: the least that any change of all weights must read and write.
 *
 * @param count weights; eight bytes each are taken
 */
export async function createDenseAdd(count: number): Promise<DenseAdd> {
  const module = new WebAssembly.Module(
    (await compileAssembly('src/tfjs/kernels/assembly/vectors.ts')) as Uint8Array<ArrayBuffer>,
  );
  const pages = Math.ceil((8 * count) / PAGE_BYTES) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { addFloats } = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as {
    addFloats(target: number, source: number, count: number): void;
  };
  const target = new Float32Array(memory.buffer, 0, count).fill(0.5);
  const source = new Float32Array(memory.buffer, 4 * count, count).fill(2 ** -10);
  return {
    inWasm: () => addFloats(target.byteOffset, source.byteOffset, count),
    inScript() {
      for (let i = 0; i < count; i++) target[i] = (target[i] as number) + (source[i] as number);
    },
  };
}
