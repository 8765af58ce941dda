import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { dtypeOf } from '../../src/onnx/ops/arguments.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { relativeError } from './compare.js';
import { DATA, dataSetsOf, listTests, networkOf, readTensor } from './conformance-data.js';
import { SKIPPED, SLOW } from './conformance-skips.js';

const tests = listTests();
if (tests.size === 0) {
  const missing = `the Debian package libonnx-testdata is not installed (no ${DATA})`;
  process.stderr.write(`\nSKIPPED: ${missing}, so the tests of ONNX's backends were not run\n`);
}

beforeAll(() => useBackend('wasm'));

/** Relative error by the type of an output. */
const TOLERANCES: Readonly<Record<string, number>> = {
  float16: 2e-3,
  bfloat16: 1e-2,
  float32: 1e-4,
  float64: 1e-4,
};

/** Runs a test's model on its data. @throws an error unless the outputs are as expected */
async function runTest(folder: string): Promise<void> {
  const network = await networkOf(folder);
  for (const set of dataSetsOf(folder)) {
    const at = (kind: string, i: number): string => join(folder, set, `${kind}_${i}.pb`);
    const inputs = await Promise.all(network.inputNames.map((_, i) => readTensor(at('input', i))));
    const outputs = network.run(
      inputs.map(({ tensor }) => tensor),
      network.outputNames,
    );
    for (const [i, found] of outputs.entries()) {
      const { type, tensor } = await readTensor(at('output', i));
      expect({ shape: found.shape, dtype: found.dtype }).toEqual({
        shape: tensor.shape,
        dtype: dtypeOf(type),
      });
      const error = relativeError(found.dataSync(), tensor.dataSync());
      expect(error).toBeLessThanOrEqual(TOLERANCES[type] ?? 0);
    }
  }
  network.dispose();
}

const skipped = new Map(
  Object.entries(SKIPPED).flatMap(([reason, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, reason] as const),
  ),
);
const run = [...tests].filter(([name]) => !skipped.has(name) && !SLOW.has(name));

test.runIf(tests.size > 0).each(run)('ONNX test %s gives the expected outputs', async (_, folder) => {
  await runTest(folder);
});

test.runIf(tests.size > 0)('tests are left out only if they fail, and most are not', async () => {
  const passing: string[] = [];
  for (const [name] of skipped) {
    const folder = tests.get(name);
    expect({ name, folder }).toEqual({ name, folder: expect.any(String) });
    if (
      await runTest(folder!).then(
        () => true,
        () => false,
      )
    )
      passing.push(name);
  }
  expect(passing).toEqual([]);
  expect(run.length).toBeGreaterThanOrEqual(680);
});
