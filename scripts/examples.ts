// Reads the `@example`s of public functions: they are compiled and run by test/examples/docstrings.test.ts.

import { join } from 'node:path';
import ts from 'typescript';
import { subpathsOf } from './house.js';
import { ROOT } from './root.js';

/** An example as it stands in a docstring, made a module. */
export interface Example {
  /** The public name that it belongs to. */
  readonly name: string;
  /** Imports of what the example uses, and its code. */
  readonly module: string;
}

/** Functions of Node.js that examples may call. */
const BUILTINS: Readonly<Record<string, string>> = {
  readFileSync: 'node:fs',
  writeFileSync: 'node:fs',
  createWriteStream: 'node:fs',
};

/** @returns the examples of all public names, in the order of the entry points */
export function readExamples(): Example[] {
  const program = ts.createProgram(
    subpathsOf().map((entry) => join(ROOT, entry)),
    { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, skipLibCheck: true, types: [] },
  );
  const checker = program.getTypeChecker();
  const specifiers = new Map(Object.entries(BUILTINS));
  const codes: [string, string][] = [];
  for (const entry of subpathsOf()) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, entry)) as ts.SourceFile);
    for (const symbol of checker.getExportsOfModule(module as ts.Symbol)) {
      const original = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      specifiers.set(symbol.name, specifierOf(entry));
      const tag = original.getJsDocTags(checker).find(({ name }) => name === 'example');
      if (tag) codes.push([symbol.name, ts.displayPartsToString(tag.text)]);
    }
  }
  return codes.map(([name, code]) => ({ name, module: `${importsFor(code, specifiers)}\n${code}\n` }));
}

/** @returns the name that users import an entry point by */
function specifierOf(entry: string): string {
  const name = /entries\/(.+)\.ts$/.exec(entry)?.[1];
  return name === undefined ? 'neural-diff' : `neural-diff/${name}`;
}

function importsFor(code: string, specifiers: ReadonlyMap<string, string>): string {
  const used = new Map<string, string[]>();
  for (const name of new Set(code.match(/\b[a-zA-Z]\w*(?=\()/g))) {
    const specifier = specifiers.get(name);
    if (specifier) used.set(specifier, [...(used.get(specifier) ?? []), name]);
  }
  const lines = [...used].map(([specifier, names]) => `import { ${names.join(', ')} } from '${specifier}';`);
  if (/\btf\./.test(code)) lines.push("import * as tf from '@tensorflow/tfjs';");
  return lines.join('\n');
}
