import { join, relative } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { subpathsOf } from '../../scripts/house.js';
import { ROOT } from './sources.js';

/**
 * Types that are not exported: parts of a report are reached by index (`Report['advice']`), and so is what a
 * payload makes (`ApplyPlan['files']`); the others are passed on without being looked into.
 */
const PARTS: readonly RegExp[] = [
  /^src\/report\/(document|precision|streaming)\.ts /,
  / FilesFacts$/,
  / Lane$/,
  / SegmentDecoder$/,
  / Tuf$/,
];

const { options, fileNames } = ts.getParsedCommandLineOfConfigFile(
  join(ROOT, 'tsconfig.json'),
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
) as ts.ParsedCommandLine;
const program = ts.createProgram(fileNames, options);
const checker = program.getTypeChecker();

/** Every public name and the entry points that export it. */
const names = new Map<ts.Symbol, string[]>();
for (const entry of subpathsOf()) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, entry)) as ts.SourceFile);
  for (const symbol of checker.getExportsOfModule(module as ts.Symbol)) {
    const original = resolve(symbol);
    names.set(original, [...(names.get(original) ?? []), entry]);
  }
}

test('every public name has one entry point and a docstring', () => {
  expect(names.size).toBeGreaterThan(100);
  const twice = [...names].filter(([, entries]) => entries.length > 1);
  expect(twice.map(([{ name }, entries]) => `${name}: ${entries}`)).toEqual([]);
  const silent = [...names.keys()].filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
  expect(silent.map(({ name }) => name)).toEqual([]);
});

test('every type that a public signature mentions is exported', () => {
  const missing = new Set<string>();
  for (const symbol of names.keys())
    for (const declaration of symbol.declarations ?? [])
      visitTypes(declaration, (type) => {
        const path = relative(ROOT, type.declarations?.[0]?.getSourceFile().fileName ?? '');
        const isOwn = path.startsWith('src/') && !names.has(type) && !isLiterals(type);
        if (isOwn) missing.add(`${path} ${type.name}`);
      });
  expect([...missing].filter((name) => !PARTS.some((part) => part.test(name)))).toEqual([]);
});

/** Visits the named types of a declaration, without the bodies of functions and private members. */
function visitTypes(node: ts.Node, found: (type: ts.Symbol) => void): void {
  if (ts.isBlock(node) || (ts.isClassElement(node) && node.name && ts.isPrivateIdentifier(node.name))) return;
  if (ts.isVariableDeclaration(node)) {
    if (node.type) visitTypes(node.type, found);
    return;
  }
  if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
    const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression;
    const symbol = checker.getSymbolAtLocation(name);
    if (symbol && !(symbol.flags & ts.SymbolFlags.TypeParameter)) found(resolve(symbol));
  }
  ts.forEachChild(node, (child) => visitTypes(child, found));
}

function resolve(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** Editors spell out unions of literals. */
function isLiterals(symbol: ts.Symbol): boolean {
  if (!(symbol.flags & ts.SymbolFlags.TypeAlias)) return false;
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  return type.isUnion() && type.types.every((each) => each.isLiteral());
}
