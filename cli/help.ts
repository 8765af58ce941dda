import { type CommandFacts, type Example, type Flag, type Flags, GROUPS } from './command.js';
import { EXIT, EXIT_DESCRIPTIONS, type ExitName } from './exit-codes.js';
import { COMMON_FLAGS } from './flags.js';
import { kebabCase } from './parse.js';

/** Columns of help. */
const WIDTH = 96;

/** Columns before the description of a flag. */
const FLAG_WIDTH = 32;

/** Flags that print help. */
export const HELP_FLAGS: Flags = { help: { type: 'boolean', short: 'h', description: 'Print this help' } };

const VERSION: Flags = { version: { type: 'boolean', description: 'Print the version' } };

/** A command and its name. */
export interface NamedCommand extends CommandFacts {
  readonly name: string;
}

/** @returns the help of the program: its commands by group */
export function programHelp(commands: readonly NamedCommand[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 3;
  const groups = GROUPS.flatMap((group) => [
    `${group}:`,
    ...commands
      .filter((command) => command.group === group)
      .map(({ name, summary }) => `   ${name.padEnd(width)}${summary}`),
    '',
  ]);
  return lines([
    'Usage: neural-diff <command> [<options>]',
    '',
    'Compact updates to the weights of neural networks that are already on devices.',
    '',
    ...groups,
    'Options of every command:',
    ...describeFlags({ ...COMMON_FLAGS, ...HELP_FLAGS, ...VERSION }),
    '',
    'Exit status:',
    ...exitRows().map(describeExit),
    '',
    "See 'neural-diff <command> --help' for the options of a command, with examples.",
  ]);
}

/** @returns the help of a command */
export function commandHelp(command: NamedCommand): string {
  const { summary, details = [], args, flags, examples } = command;
  return lines([
    ...usageLines(command).map((line, i) => `${i === 0 ? 'Usage: ' : '       '}${line}`),
    '',
    `${summary}.`,
    ...details.flatMap((text) => ['', ...wrap(text, WIDTH)]),
    ...section('Arguments', describeArguments(args)),
    ...section('Options', describeFlags(flags)),
    ...section('Options of every command', describeFlags({ ...COMMON_FLAGS, ...HELP_FLAGS })),
    '',
    'Examples:',
    ...examples.flatMap(exampleLines).map((line) => `   ${line}`),
    ...section('Exit status', exitsOf(command).map(describeExit)),
    '',
    "See 'neural-diff --help' for all exit statuses.",
  ]);
}

/** @returns how a command is called, with its required flags */
export function usageLines({ name, args, flags }: NamedCommand): string[] {
  const required = Object.entries(flags).filter(([, flag]) => flag.isRequired);
  const parts = [
    `neural-diff ${name}`,
    ...Object.entries(args).map(([arg, flag]) => argumentName(arg, flag)),
    ...required.map(([flag, facts]) => `--${kebabCase(flag)} ${valueName(facts)}`),
    ...(required.length < Object.keys(flags).length ? ['[<options>]'] : []),
  ];
  return join(parts, WIDTH).map((line, i) => (i === 0 ? line : `    ${line}`));
}

/** @returns an example as lines of a shell; a long one is broken before a flag */
export function exampleLines({ description, run }: Example): string[] {
  const lines = join(`neural-diff ${run}`.split(/ (?=--?[a-z])/), WIDTH - 6);
  return [
    `# ${description}`,
    ...lines.map((line, i) => `${i === 0 ? '' : '    '}${line}${i < lines.length - 1 ? ' \\' : ''}`),
  ];
}

/** @returns the name of an argument in help: `<payloads>...`, or `[<folder>]` for one with a default */
export function argumentName(name: string, { isRepeated, isRequired }: Flag): string {
  const word = `<${kebabCase(name)}>${isRepeated ? '...' : ''}`;
  return isRequired ? word : `[${word}]`;
}

/** @returns how a flag is written: `-o, --out <file>` */
export function flagName(name: string, flag: Flag): string {
  const isOn = flag.type === 'boolean' && flag.default === true;
  const long = `--${isOn ? 'no-' : ''}${kebabCase(name)}`;
  const value = flag.type === 'boolean' ? '' : ` ${valueName(flag)}`;
  return `${flag.short ? `-${flag.short}, ` : ''}${long}${value}`;
}

/** @returns the description of a flag, with its default and whether it is required */
export function flagDescription(flag: Flag): string {
  const { description, isRequired, type } = flag;
  const preset = type === 'boolean' || flag.default === undefined ? '' : `; default: ${flag.default}`;
  return `${description}${preset}${isRequired ? ' (required)' : ''}`;
}

/** @returns flags in the order of help: required ones first */
export function sortFlags(flags: Flags): [name: string, flag: Flag][] {
  const all = Object.entries(flags);
  return [...all.filter(([, flag]) => flag.isRequired), ...all.filter(([, flag]) => !flag.isRequired)];
}

/** @returns the description of an argument, with its choices */
export function argumentDescription({ description, choices }: Flag): string {
  return choices ? `${description}: ${choices.join(', ')}` : description;
}

/** @returns every exit status and what it means */
export function exitRows(): [status: string, description: string][] {
  return Object.entries(EXIT).map(([name, status]) => [String(status), EXIT_DESCRIPTIONS[name as ExitName]]);
}

/** @returns the exit statuses with a particular meaning for a command */
export function exitsOf({ exits = {} }: NamedCommand): [status: string, description: string][] {
  return Object.entries(exits).map(([name, description]) => [String(EXIT[name as ExitName]), description]);
}

function describeExit([status, description]: readonly [string, string]): string {
  return `   ${status.padEnd(5)}${description}`;
}

function valueName({ choices, placeholder = 'text', valueIfBare }: Flag): string {
  const name = `<${choices ? choices.join('|') : placeholder}>`;
  return valueIfBare === undefined ? name : `[${name}]`;
}

function describeArguments(args: Flags): string[] {
  return Object.entries(args).flatMap(([name, flag]) =>
    describe(`   ${argumentName(name, flag)}`, argumentDescription(flag)),
  );
}

function describeFlags(flags: Flags): string[] {
  return sortFlags(flags).flatMap(([name, flag]) => {
    const written = flagName(name, flag);
    return describe(flag.short ? `   ${written}` : `       ${written}`, flagDescription(flag));
  });
}

/** A name, and its description in a column after it or below. */
function describe(name: string, description: string): string[] {
  const [first = '', ...more] = wrap(description, WIDTH - FLAG_WIDTH);
  const indent = ' '.repeat(FLAG_WIDTH);
  const rest = more.map((text) => indent + text);
  if (name.length < FLAG_WIDTH - 1) return [name.padEnd(FLAG_WIDTH) + first, ...rest];
  return [name, indent + first, ...rest];
}

function section(title: string, body: readonly string[]): string[] {
  return body.length === 0 ? [] : ['', `${title}:`, ...body];
}

/** @returns text as lines of at most so many columns */
export function wrap(text: string, width: number): string[] {
  return join(text.split(' '), width);
}

/** Joins parts with spaces to lines of at most so many columns; a longer part has its own line. */
function join(parts: readonly string[], width: number): string[] {
  const found: string[] = [];
  for (const part of parts) {
    const last = found.at(-1);
    if (last !== undefined && last.length + 1 + part.length <= width) found.push(`${found.pop()} ${part}`);
    else found.push(part);
  }
  return found;
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
