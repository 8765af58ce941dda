import ts from 'typescript';
import { expect, test } from 'vitest';
import { readSources } from './sources.js';

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
const MAX_PARAMETERS = 3;

const sources = readSources('src', 'cli', 'bench', 'examples', 'scripts', 'test');

test('files stay within 400 lines', () => {
  expect(sources.length).toBeGreaterThan(50);
  expect(sources.filter(({ lines }) => lines.length > MAX_FILE_LINES).map(({ path }) => path)).toEqual([]);
});

test('functions stay within 70 lines and, outside of tests, three parameters', () => {
  const wrong: string[] = [];
  for (const { path, text } of sources) {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
    visit(file, (node) => {
      const start = file.getLineAndCharacterOfPosition(node.getStart()).line;
      const lines = file.getLineAndCharacterOfPosition(node.end).line - start + 1;
      const isSuite = path.startsWith('test/') && ts.isArrowFunction(node);
      if (lines > MAX_FUNCTION_LINES && !isSuite) wrong.push(`${path}:${start + 1} has ${lines} lines`);
      // WebAssembly passes numbers alone.
      const isExempt = path.startsWith('test/') || path.includes('/assembly/');
      if (node.parameters.length > MAX_PARAMETERS && !isExempt) {
        wrong.push(`${path}:${start + 1} has ${node.parameters.length} parameters`);
      }
    });
  }
  expect(wrong).toEqual([]);
});

function visit(node: ts.Node, inspect: (node: ts.FunctionLikeDeclaration) => void): void {
  if (ts.isFunctionLike(node) && 'body' in node) inspect(node as ts.FunctionLikeDeclaration);
  node.forEachChild((child) => visit(child, inspect));
}
