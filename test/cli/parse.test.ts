import { expect, test } from 'vitest';
import type { Flags } from '../../cli/command.js';
import { UsageError } from '../../cli/exit-codes.js';
import { parseCommandLine } from '../../cli/parse.js';

const FLAGS: Flags = {
  out: { type: 'string', short: 'o', isRequired: true, description: '' },
  maxBytes: { type: 'number', description: '' },
  key: { type: 'string', isRepeated: true, description: '' },
  force: { type: 'boolean', short: 'f', description: '' },
  quiet: { type: 'boolean', short: 'q', description: '' },
  rename: { type: 'boolean', default: true, description: '' },
  backend: { type: 'string', choices: ['wasm', 'cpu'], default: 'wasm', description: '' },
  refresh: { type: 'string', valueIfBare: '', description: '' },
};

const ARGS: Flags = {
  base: { type: 'string', isRequired: true, description: '' },
  payloads: { type: 'string', isRequired: true, isRepeated: true, description: '' },
};

const PRESET = { key: [], force: false, quiet: false, rename: true, backend: 'wasm', out: 'x' };

const parse = (line: string, args: Flags = {}) =>
  parseCommandLine(
    line.split(' ').filter((word) => word !== ''),
    { args, flags: FLAGS },
  );

test.each([
  ['-o x', {}],
  ['--out=x', {}],
  ['-ox', {}],
  ['-o=x', {}],
  ['-fqo x', { force: true, quiet: true }],
  ['-o y --force -o x', { force: true }],
  ['-o x --no-rename', { rename: false }],
  ['-o x --no-rename --rename', {}],
  ['-o x --force=false', {}],
  ['-o x --max-bytes -1', { maxBytes: -1 }],
  ['-o x --max-bytes 1e3', { maxBytes: 1000 }],
  ['-o x --key=--force', { key: ['--force'] }],
  ['-o x --key a --key b', { key: ['a', 'b'] }],
  ['-o x --backend cpu', { backend: 'cpu' }],
  ['-o x --refresh', { refresh: '' }],
  ['--refresh -o x', { refresh: '' }],
  ['-o x --refresh --force', { refresh: '', force: true }],
  ['-o x --refresh root,targets', { refresh: 'root,targets' }],
])('parseCommandLine() reads %s', (line, expected) => {
  expect(parse(line)).toEqual({ ...PRESET, ...expected });
});

test('parseCommandLine() places arguments in their order, and the rest in the last', () => {
  expect(parse('a -o x b c', ARGS)).toMatchObject({ base: 'a', payloads: ['b', 'c'] });
  expect(parse('-o x -- a -b', ARGS)).toMatchObject({ base: 'a', payloads: ['-b'] });
  expect(parse('-o x -- --refresh refresh', ARGS)).toMatchObject({
    base: '--refresh',
    payloads: ['refresh'],
  });
  expect(parse('refresh - -o x', ARGS)).toMatchObject({ base: 'refresh', payloads: ['-'] });
});

test('parseCommandLine() takes the default of an argument that is not given', () => {
  const args: Flags = { folder: { type: 'string', default: '.', description: '' } };
  expect(parse('-o x', args)).toMatchObject({ folder: '.' });
  expect(parse('demo -o x', args)).toMatchObject({ folder: 'demo' });
});

test.each([
  ['', 'Expected --out'],
  ['-o', 'Expected a value after -o'],
  ['-o x --key --force', 'Expected a value after --key'],
  ['-o x --max-bytes many', 'Cannot use --max-bytes "many": expected a number'],
  ['-o x --backend gpu', 'Cannot use --backend "gpu": expected one of wasm, cpu'],
  ['-o x --force=yes', 'Cannot use --force "yes": expected no value'],
  ['-o x --no-force=true', 'Unknown flag --no-force'],
  ['-o x --__proto__=1', 'Unknown flag --__proto__'],
  ['-o -- x', 'Expected a value after -o'],
  ['-o x --no-out', 'Unknown flag --no-out'],
  ['-o x --maxBytes 1', 'Unknown flag --maxBytes (did you mean --max-bytes?)'],
  ['-o x -z', 'Unknown flag -z'],
  ['-o x more', 'Cannot use "more": expected no more arguments'],
])('parseCommandLine() refuses "%s"', (line, message) => {
  expect(() => parse(line)).toThrow(UsageError);
  expect(() => parse(line)).toThrow(message);
});

test('parseCommandLine() refuses a command line without its arguments', () => {
  expect(() => parse('-o x', ARGS)).toThrow('Expected <base>');
  expect(() => parse('a -o x', ARGS)).toThrow('Expected <payloads>');
});
