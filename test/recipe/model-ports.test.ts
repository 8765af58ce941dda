import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPorts } from '../../src/recipe/model-ports.js';
import { command, scratch, writeModel } from '../cli/command.js';
import { writeGraphFolder, writeOnnxFile } from '../cli/networks.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { seededTensor } from '../support.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

const dim = (...sizes: (string | number)[]) => ({ dim: sizes.map((size) => ({ size })) });

/** Writes a GraphModel whose `model.json` has more fields. */
function writeGraph(path: string, fields: object): string {
  writeGraphFolder(path);
  const file = join(path, 'model.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...fields }));
  return path;
}

describe('readPorts()', () => {
  test('of an ONNX file', async () => {
    writeOnnxFile(at('any.onnx'));
    expect(await readPorts(at('any.onnx'))).toEqual({
      inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [null, 3] }],
    });
    const { stdout } = await command('info', at('any.onnx'));
    expect(stdout).toContain('\ninput        float32[any, 2]          "x"\n');
    expect(stdout).toContain('\noutput       float32[any, 3]          "y"\n');
    const { inputs, outputs } = JSON.parse((await command('info', at('any.onnx'), '--json')).stdout);
    expect({ inputs, outputs }).toEqual(await readPorts(at('any.onnx')));
  });

  test('of a GraphModel with a signature, without the state of the model', async () => {
    const signature = {
      inputs: {
        x: { name: 'x:0', dtype: 'DT_FLOAT', tensorShape: dim('-1', 2) },
        table: { name: 'table', dtype: 'DT_RESOURCE', resourceId: 1 },
      },
      outputs: { y: { name: 'y:0', dtype: 'DT_INT32', tensorShape: { unknownRank: true } }, z: {} },
    };
    const expected = {
      inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }],
      outputs: [
        { name: 'y', dtype: 'int32', shape: undefined },
        { name: 'z', dtype: undefined, shape: undefined },
      ],
    };
    expect(await readPorts(writeGraph(at('signed'), { signature }))).toEqual(expected);
    const older = { userDefinedMetadata: { signature } };
    expect(await readPorts(writeGraph(at('older'), older))).toEqual(expected);
    const { stdout } = await command('info', at('signed'));
    expect(stdout).toContain('output       int32[any rank]          "y"');
    expect(stdout).toContain('output       unknown[any rank]        "z"');
  });

  test('of other models, and of files that are none, is nothing', async () => {
    await writeModel(at('layers'), 1);
    const weights = await writeSafetensors({ tensors: [seededTensor('a', 'float32', [3])] });
    writeFileSync(at('weights.safetensors'), weights);
    writeFileSync(at('cut.onnx'), readFileSync(at('any.onnx')).subarray(0, 100));
    const names = ['layers', 'weights.safetensors', 'cut.onnx', 'missing.onnx', 'unsigned'];
    writeGraphFolder(at('unsigned'));
    for (const name of names) expect(await readPorts(at(name))).toBeUndefined();
  });
});
