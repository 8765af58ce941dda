import type * as Runtime from 'onnxruntime-node';

/** Inputs of a graph by name: float32, int64, bool. */
export type Inputs = Readonly<
  Record<
    string,
    { readonly shape: readonly number[]; readonly values: Float32Array | BigInt64Array | Uint8Array }
  >
>;

/**
 * Runs a model file, or its bytes: as devices run it, or (`basic`) without optimisations that change results,
 * such as products with int8 weights in int8.
 *
 * @returns the bytes of its outputs, by name
 */
export type RunOnnx = (
  model: string | Uint8Array,
  inputs: Inputs,
  optimisation?: 'all' | 'basic',
) => Promise<Record<string, Uint8Array>>;

/**
 * Loads ONNX Runtime, which brings a binary for each platform.
 *
 * @returns what runs files; undefined, and a line on stderr, on platforms without one
 */
export async function loadOnnxRuntime(): Promise<RunOnnx | undefined> {
  try {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    return (model, inputs, graphOptimizationLevel = 'all') =>
      run({ InferenceSession, Tensor }, { model, graphOptimizationLevel }, inputs);
  } catch (error) {
    // An installation without the package is broken, a package without a binary for this platform is not.
    const { code, message } = error as NodeJS.ErrnoException;
    const isForeign =
      code === 'ERR_DLOPEN_FAILED' || (code === 'MODULE_NOT_FOUND' && message.includes('.node'));
    if (!isForeign) throw error;
    const platform = `${process.platform}/${process.arch}`;
    process.stderr.write(
      `\nSKIPPED: ONNX Runtime does not run on ${platform}, so no patched ONNX file was run\n`,
    );
    return undefined;
  }
}

async function run(
  { InferenceSession, Tensor }: Pick<typeof Runtime, 'InferenceSession' | 'Tensor'>,
  { model, graphOptimizationLevel }: { model: string | Uint8Array; graphOptimizationLevel: 'all' | 'basic' },
  inputs: Inputs,
): Promise<Record<string, Uint8Array>> {
  const options = {
    graphOptimizationLevel,
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  };
  const session = await InferenceSession.create(model as string, options);
  try {
    const feeds = Object.entries(inputs).map(([name, { shape, values }]) => {
      const type =
        values instanceof Float32Array ? 'float32' : values instanceof Uint8Array ? 'bool' : 'int64';
      return [name, new Tensor(type, values as Float32Array, shape)] as const;
    });
    const outputs = Object.entries(await session.run(Object.fromEntries(feeds)));
    return Object.fromEntries(outputs.map(([name, { data }]) => [name, bytesOf(data as Float32Array)]));
  } finally {
    await session.release();
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();
}
