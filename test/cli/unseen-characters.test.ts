import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { printable, printableJson } from '../../src/model/printable.js';
import type { Model } from '../../src/model/tensor.js';
import { writeSafetensors } from '../containers/write-safetensors.js';

import { TestDevice, TestRepository } from '../release/maker.js';
import { errorOf, seededTensor } from '../support.js';
import { command, scratch } from './command.js';

const folder = scratch();

/**
 * Clears a terminal, sets its title, writes over what is there, turns text around, hides, is no character.
 */
const EVIL = 'a\u001b[2J\u001b]0;t\u0007\u009b31m\r\b\u202egnp\u2066x\u200b\u0000z';

/** What no output may have, but line breaks. */
const UNSEEN = /[^\P{Cc}\n]|[\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

/** Writes a model with a name that is evil, in a file whose name is. */
function writeEvil(name: string, { seed = 1, tensor = EVIL, rows = 8 } = {}): string {
  const model: Model = { tensors: [seededTensor(tensor, 'float32', [rows, 8], seed)] };
  const path = join(folder, `${name} \u001b[31m\u202e.safetensors`);
  writeFileSync(path, writeSafetensors(model));
  return path;
}

test('printable() escapes controls, directions, lone surrogates and what is invisible, and nothing else', () => {
  expect(printable(EVIL)).toBe(
    'a\\u{1b}[2J\\u{1b}]0;t\\u{7}\\u{9b}31m\\u{d}\\u{8}\\u{202e}gnp\\u{2066}x\\u{200b}\\u{0}z',
  );
  expect(printable('\ud800 \udc00x\u{e0001}\n\t')).toBe('\\u{d800} \\u{dc00}x\\u{e0001}\\u{a}\\u{9}');
  const fine = 'conv/kernel:0 größe 重み 👩‍🔬 «ä» \\n "q"';
  expect(printable(fine)).toBe(fine);
  expect(printable(printable(EVIL))).toBe(printable(EVIL));
});

test('printableJson() escapes the same, and means the same', () => {
  const value = { [EVIL]: [EVIL, '\ud800', '\u{e0001}', 'fine 👩‍🔬\n'], n: 1 };
  const text = printableJson(value);
  expect(text).not.toMatch(UNSEEN);
  expect(JSON.parse(text)).toEqual(value);
});

test("an error's message is printable, its facts are as they were", () => {
  const error = new NeuralDiffError('wrong-layout', `Cannot use "${EVIL}"`, { facts: { found: EVIL } });
  expect([error.message, error.facts.found]).toEqual([`Cannot use "${printable(EVIL)}"`, EVIL]);
  expect(error.stack).not.toMatch(UNSEEN);
});

test('no command prints what names of tensors, files and folders hide', async () => {
  const base = writeEvil('base');
  const next = writeEvil('next', { seed: 2 });
  const other = writeEvil('other', { tensor: `${EVIL}b`, rows: 9 });
  const payload = join(folder, 'p \u001b[31m\u202e.ndiff');
  const commands: [number, ...string[]][] = [
    [0, 'diff', base, next, '-o', payload],
    [0, 'info', base],
    [0, 'info', payload, '--base', base],
    [0, 'verify', base, payload],
    [3, 'verify', other, payload],
    [3, 'apply', other, payload, '-o', `${base}.out`],
    [3, 'diff', base, other, '--no-rename', '-o', `${payload}2`],
    [0, 'diff', base, other, '-o', `${payload}2`],
    [0, 'info', `${payload}2`, '--base', base],
    [0, 'apply', base, `${payload}2`, '-o', `${base}.made`],
    [2, 'info', `${base}.none`],
    [2, 'diff', base, next, '-o', payload],
    [0, 'doctor', '--model', base],
    [0, 'status', '--model', base],
    [0, 'fingerprint', base],
    [0, 'plan', folder, '--from', base, '--to', next],
    [2, 'update', '--model', base, '--repo', EVIL, '--root', EVIL],
    [2, EVIL],
    [2, 'info', `--${EVIL}`],
  ];
  for (const [status, ...args] of commands)
    for (const flags of [[], ['--json']]) {
      const again = flags.length > 0 && status === 0 && args.includes('-o') ? ['-f'] : [];
      const outcome = await command(...args, ...flags, ...again);
      expect([args[0], outcome.status]).toEqual([args[0], status]);
      expect(outcome.stdout + outcome.stderr).not.toMatch(UNSEEN);
      if (flags.length > 0) JSON.parse(outcome.stdout);
    }
});

test('what a repository names does not reach a terminal raw', async () => {
  const repository = new TestRepository();
  const device = new TestDevice(repository);
  // JSON does not allow C0 controls in strings, and canonical JSON does not escape them.
  const name = '\u009b31m\u202egnp';
  repository.addRoot({ more: { keys: { [name]: 1 } } });
  const { code, message } = await errorOf(() => device.refresh(repository));
  expect([code, message]).toEqual([
    'metadata-corrupt',
    expect.stringContaining('key "\\u{9b}31m\\u{202e}gnp"'),
  ]);
});
