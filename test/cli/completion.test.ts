import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadCommands } from '../../cli/run.js';
import { command, scratch } from './command.js';

const folder = scratch();
const scriptOf = (shell: string): string => join(folder, `completion.${shell}`);
const run = promisify(execFile);

/** Types a line and two tabs, which zsh shows on a terminal alone. A busy machine may be too slow for it. */
const ZSH = `
zmodload zsh/zpty
zpty shell "zsh -f -i"
zpty -w shell "PS1='> '; autoload -U compinit; compinit -u -D; LISTMAX=1000; source $1; print READY''-NOW"
zpty -r shell out '*READY-NOW*'
zpty -w -n shell "$2"$'\\t'
sleep 1.5
zpty -w -n shell $'\\t'
sleep 1.5
while zpty -r -t shell piece; do print -rn -- "$piece"; done
zpty -d shell`;

const BASH = `
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _neural_diff; printf '%s\\n' "\${COMPREPLY[@]}"`;

/** What a shell offers after a line. */
const OFFERS: Readonly<Record<string, (line: string) => Promise<string[]>>> = {
  bash: async (line) =>
    (await run('bash', ['-c', BASH, 'bash', scriptOf('bash'), ...line.split(' ')])).stdout.trim().split('\n'),
  fish: async (line) => {
    const { stdout } = await run('fish', [
      '-c',
      'source $argv[1]; complete -C $argv[2]',
      scriptOf('fish'),
      line,
    ]);
    return stdout
      .trim()
      .split('\n')
      .map((each) => each.split('\t')[0] as string);
  },
  zsh: async (line) => {
    const { stdout } = await run('zsh', ['-f', '-c', ZSH, 'zsh', scriptOf('zsh'), line], { timeout: 30_000 });
    return stripVTControlCharacters(stdout).split(/\s+/);
  },
};

beforeAll(async () => {
  for (const shell of Object.keys(OFFERS)) {
    const { stdout, status } = await command('completion', shell);
    expect(status).toBe(0);
    writeFileSync(scriptOf(shell), stdout);
  }
});

const isMissing = (shell: string): boolean => {
  const missing = spawnSync(shell, ['-c', 'exit 0']).status !== 0;
  if (missing) process.stderr.write(`${shell} is not installed: its completion is not tested\n`);
  return missing;
};

describe.each(Object.entries(OFFERS))('in %s', (shell, offersOf) => {
  test.skipIf(isMissing(shell)).each([
    ['neural-diff co', ['compare', 'completion', 'compose', 'confirm', 'convert'], ['train']],
    ['neural-diff train --b', ['--backend', '--base', '--batch-size', '--budget'], ['--kind']],
    ['neural-diff train --backend ', ['cpu', 'wasm'], ['webgl', '--base']],
    ['neural-diff train ', ['auto', 'hash', 'sparse'], []],
  ])('%j offers commands, flags and choices', { retry: 2 }, async (line, offered, others) => {
    const found = await offersOf(line);
    expect(found).toEqual(expect.arrayContaining(offered));
    for (const other of others) expect(found).not.toContain(other);
  });
});

test('bash offers every flag of every command, and files after flags that take any value', async () => {
  for (const { name, flags } of await loadCommands()) {
    const found = await (OFFERS.bash as (line: string) => Promise<string[]>)(`neural-diff ${name} --`);
    expect(found).toEqual(expect.arrayContaining(['--json', '--help']));
    // --json, --quiet and --help.
    expect(found).toHaveLength(Object.keys(flags).length + 3);
  }
  expect(await OFFERS.bash?.('neural-diff pull --out ')).toEqual(['']);
});

test('a shell that is not known is refused', async () => {
  const { status, stderr } = await command('completion', 'tcsh');
  expect([status, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
});
