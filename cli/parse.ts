import { parseArgs } from 'node:util';
import { suggest } from '../src/model/suggest.js';
import type { Flag, Flags } from './command.js';
import { UsageError } from './exit-codes.js';

/** @returns the name of a flag on a command line, without its dashes: `max-bytes` */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A value of a flag or an argument. */
export type Value = string | number | boolean;

/** Values by the names of flags and arguments; those that are missing have none. */
export type Values = Readonly<Record<string, Value | readonly Value[]>>;

/**
 * Reads `--flag value`, `--flag=value`, `--no-flag`, `-o value`, `-fq`; all words after `--` are arguments.
 *
 * @throws UsageError for an unknown flag or a surplus argument, a missing one, or a value of the wrong type
 */
export function parseCommandLine(
  words: readonly string[],
  { args, flags }: { args: Flags; flags: Flags },
): Values {
  const names = new Map(Object.keys(flags).map((name) => [kebabCase(name), name]));
  const options = Object.entries(flags).map(([name, { type, short }]) => [
    kebabCase(name),
    { type: type === 'boolean' ? 'boolean' : 'string', ...(short && { short }) },
  ]);
  // Not strict: the errors of parseArgs do not carry the name of a flag, its tokens do.
  const { tokens } = parseArgs({
    args: addBareValues(words, flags),
    options: Object.fromEntries(options),
    strict: false,
    allowNegative: true,
    tokens: true,
  });
  const positionals: string[] = [];
  const found = new Map<string, Value[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const name = names.get(token.name) ?? '';
    const flag = flags[name];
    if (!flag || (isNegated(token) && flag.type !== 'boolean')) {
      const hint = suggest(token.rawName.replace(/^-+/, ''), [...names.keys()], '--');
      throw new UsageError(`Unknown flag ${token.rawName}${hint}`);
    }
    found.set(name, [...(found.get(name) ?? []), readFlag(token, flag)]);
  }
  return { ...placeArguments(positionals, args), ...valuesOf(flags, found) };
}

/** Numbers below zero are values, any other word with a dash is a flag. */
const isFlag = (word: string): boolean => /^-(?![\d.])./.test(word);

/** Adds the value to flags that lack it and may: `parseArgs` would take any next word for it, even a flag. */
function addBareValues(words: readonly string[], flags: Flags): string[] {
  const values = new Map(
    Object.entries(flags).map(([name, flag]) => [`--${kebabCase(name)}`, flag.valueIfBare]),
  );
  const end = [...words, '--'].indexOf('--');
  return words.map((word, i) => {
    const value = values.get(word);
    return value !== undefined && i < end && isFlag(words[i + 1] ?? '--') ? `${word}=${value}` : word;
  });
}

type FlagToken = Extract<NonNullable<ReturnType<typeof parseArgs>['tokens']>[number], { kind: 'option' }>;

const isNegated = ({ name, rawName }: FlagToken): boolean => rawName === `--no-${name}`;

function readFlag(token: FlagToken, flag: Flag): Value {
  const { rawName, value, inlineValue } = token;
  if (flag.type === 'boolean') {
    if (value === undefined) return !isNegated(token);
    if (value === 'true' || value === 'false') return value === 'true';
    throw new UsageError(`Cannot use ${rawName} "${value}": expected no value`);
  }
  if (value === undefined || (!inlineValue && isFlag(value)))
    throw new UsageError(`Expected a value after ${rawName}`);
  const isShort = inlineValue && !rawName.startsWith('--');
  return convert(isShort ? value.replace(/^=/, '') : value, flag, rawName);
}

function convert(text: string, { type, choices }: Flag, name: string): Value {
  if (choices && !choices.includes(text))
    throw new UsageError(`Cannot use ${name} "${text}": expected one of ${choices.join(', ')}`);
  if (type === 'string') return text;
  const value = Number(text);
  if (text.trim() !== '' && !Number.isNaN(value)) return value;
  throw new UsageError(`Cannot use ${name} "${text}": expected a number`);
}

/** Takes the last value of a flag that may not be repeated, or else its default. */
function valuesOf(flags: Flags, found: ReadonlyMap<string, Value[]>): Values {
  const values = Object.entries(flags).map(([name, flag]) => {
    const all = found.get(name) ?? [];
    if (flag.isRepeated) return [name, flag.isRequired && all.length === 0 ? undefined : all] as const;
    return [name, all.at(-1) ?? flag.default ?? (flag.type === 'boolean' ? false : undefined)] as const;
  });
  const missing = values.filter(([name, value]) => flags[name]?.isRequired && value === undefined);
  if (missing.length > 0)
    throw new UsageError(`Expected ${missing.map(([name]) => `--${kebabCase(name)}`).join(', ')}`);
  return Object.fromEntries(values.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** Gives each argument its word, and a repeated one all that are left. */
function placeArguments(positionals: readonly string[], args: Flags): Values {
  const left = [...positionals];
  const values = Object.entries(args).flatMap(([name, flag]): [string, Value | Value[]][] => {
    const texts = left.splice(0, flag.isRepeated ? left.length : 1);
    const given = texts.map((text) => convert(text, flag, `<${kebabCase(name)}>`));
    const [first = flag.default, ...more] = given;
    if (first === undefined && flag.isRequired) throw new UsageError(`Expected <${kebabCase(name)}>`);
    return first === undefined ? [] : [[name, flag.isRepeated ? [first, ...more] : first]];
  });
  if (left.length > 0) throw new UsageError(`Cannot use "${left[0]}": expected no more arguments`);
  return Object.fromEntries(values);
}
