// Writes docs/CLI.md from the commands themselves, or with --check compares it with what would be written.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Flags, GROUPS } from '../cli/command.js';
import { COMMON_FLAGS } from '../cli/flags.js';
import {
  argumentDescription,
  argumentName,
  exampleLines,
  exitRows,
  exitsOf,
  flagDescription,
  flagName,
  HELP_FLAGS,
  type NamedCommand,
  sortFlags,
  usageLines,
  wrap,
} from '../cli/help.js';
import { loadCommands } from '../cli/run.js';

const PATH = join('docs', 'CLI.md');

/** Columns of text; tables are as wide as they need to be. */
const WIDTH = 110;

const INTRODUCTION =
  'Made from the commands themselves by `node dist/scripts/cli-docs.js`. Each command prints its part: ' +
  '`neural-diff COMMAND --help`. Results go to stdout, remarks and progress to stderr.';

/** A row of a table: a name in code, and what it is. */
type Row = readonly [name: string, description: string];

function describeCommands(commands: readonly NamedCommand[]): string {
  const lines = [
    '# Command line',
    '',
    ...wrap(INTRODUCTION, WIDTH),
    '',
    '| | |',
    '| --- | --- |',
    ...GROUPS.map((group) => {
      const members = commands.filter((command) => command.group === group);
      return `| ${group} | ${members.map(({ name }) => `[${name}](#${name})`).join(', ')} |`;
    }),
    '',
    '## Options of every command',
    '',
    ...tableOf('option', optionRows({ ...COMMON_FLAGS, ...HELP_FLAGS })),
    '',
    '## Exit status',
    '',
    'They are frozen. [ERRORS.md](ERRORS.md) lists the error codes of each.',
    '',
    ...tableOf('status', exitRows()),
    ...GROUPS.flatMap((group) => [
      '',
      `## ${group}`,
      ...commands.filter((command) => command.group === group).flatMap(describe),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

function describe(command: NamedCommand): string[] {
  const { name, summary, details = [], args, flags, examples } = command;
  const exits = exitsOf(command);
  const rows = Object.entries(args).map(
    ([arg, flag]): Row => [argumentName(arg, flag), argumentDescription(flag)],
  );
  return [
    '',
    `### ${name}`,
    '',
    `${summary}.`,
    '',
    '```text',
    ...usageLines(command),
    '```',
    ...details.flatMap((text) => ['', ...wrap(quoteFlags(text), WIDTH)]),
    '',
    '```sh',
    ...examples.flatMap(exampleLines),
    '```',
    '',
    ...tableOf('argument or option', [...rows, ...optionRows(flags)]),
    ...(exits.length === 0 ? [] : ['', ...tableOf('exit status', exits)]),
  ];
}

function optionRows(flags: Flags): Row[] {
  return sortFlags(flags).map(([name, flag]) => [flagName(name, flag), flagDescription(flag)]);
}

function tableOf(head: string, rows: readonly Row[]): string[] {
  const bars = (text: string): string => text.replaceAll('|', '\\|');
  const plain = (text: string): string => quoteFlags(bars(text).replaceAll(/[<>*]/g, '\\$&'));
  return [
    `| ${head} | |`,
    '| --- | --- |',
    ...rows.map(([name, description]) => `| \`${bars(name)}\` | ${plain(description)} |`),
  ];
}

/** @returns text with flags and commands as code */
function quoteFlags(text: string): string {
  return text.replaceAll(/(?<![\w-])--[a-z][a-z-]*|neural-diff [a-z]+(-[a-z]+)*/g, '`$&`');
}

const text = describeCommands(await loadCommands());

if (!process.argv.includes('--check')) writeFileSync(PATH, text);
else if (readFileSync(PATH, 'utf8') === text) process.stdout.write(`${PATH} is as written\n`);
else {
  process.stderr.write(`${PATH} differs from the commands: run "node dist/scripts/cli-docs.js"\n`);
  process.exitCode = 1;
}
