import { expect, test } from 'vitest';
import { isOwnPath } from '../../src/model/model-files.js';

const OWN = [
  'model.onnx.undo',
  'MODEL.ONNX.UNDO',
  'model.onnx.undo.',
  'model.onnx.undo.lock',
  'model.onnx.undo.lock.clearing',
  'model.onnx.undo.lock.4711.0a1b2c3d',
  'model.onnx.undo.lock.clearing.4711.0a1b2c3d',
  '.model.onnx.0b7c3a52-94b6-4c0f-a9c0-8c55be6f8f11.tmp',
  'model.onnx.updates/state',
  'weights.bin.crswap',
];

test.each(OWN)('isOwnPath() knows %s', (name) => {
  expect(isOwnPath(name)).toBe(true);
  expect(isOwnPath(`folder/${name}`)).toBe(true);
});

test.each(['model.onnx.data', 'undo', 'lock.bin', 'group1-shard1of2.bin', 'weights/layer.tmp', '.weights'])(
  'isOwnPath() leaves %s to models',
  (name) => {
    expect(isOwnPath(name)).toBe(false);
  },
);
