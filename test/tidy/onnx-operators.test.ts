import { expect, test } from 'vitest';
import { CONTROL_FLOW } from '../../src/onnx/control-flow.js';
import { LOWERINGS } from '../../src/onnx/lowerings.js';
import { OPERATORS } from '../../src/onnx/operators.js';
import { readSource } from './sources.js';

test('docs/ONNX.md lists each operator once, and no others', () => {
  const [, table = ''] = readSource('docs/ONNX.md').text.split('## Operators');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const listed = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  const known = [OPERATORS, LOWERINGS, CONTROL_FLOW].flatMap((operators) => Object.keys(operators));
  expect(listed.sort()).toEqual([...new Set(known)].sort());
});
