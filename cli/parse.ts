import type { Flag, Flags } from './command.js';
import { UsageError } from './exit-codes.js';

/** A value of a command line. */
export type Value = string | number | boolean;

/** Values by the names of flags and arguments; those that are missing have none. */
export type Values = Readonly<Record<string, Value | readonly Value[]>>;

/** @returns the name of a flag on a command line, without its dashes: `max-bytes` */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Reads `--flag value`, `--flag=value`, `--no-flag`, `-o value`, `-fq`; all after `--` are arguments.
 *
 * @throws UsageError for what is unknown, missing, too much, or not of its type
 */
export function parseCommandLine(
  line: readonly string[],
  { args, flags }: { args: Flags; flags: Flags },
): Values {
  const given = new Map<string, Value[]>();
  const free: string[] = [];
  const words = [...line];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') free.push(...words.splice(0));
    else if (word === '-' || !word.startsWith('-')) free.push(word);
    else if (word.startsWith('--')) readFlag(word, words, { flags, given });
    else readLetters(word, words, { flags, given });
  }
  const values = { ...valuesOf(flags, given), ...placeArguments(free, args) };
  const missing = Object.keys(flags).filter((name) => flags[name]?.isRequired && !(name in values));
  if (missing.length === 0) return values;
  throw new UsageError(`Expected ${missing.map((name) => `--${kebabCase(name)}`).join(', ')}`);
}

/** What is read so far. */
interface Reading {
  readonly flags: Flags;
  readonly given: Map<string, Value[]>;
}

function readFlag(word: string, rest: string[], reading: Reading): void {
  const [, written = '', attached] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const positive = written.replace(/^no-/, '');
  const find = (kebab: string) => Object.keys(reading.flags).find((name) => kebabCase(name) === kebab);
  const name = find(written);
  if (name !== undefined) {
    take(name, { word: `--${written}`, attached, rest }, reading);
    return;
  }
  const negated = positive === written ? undefined : find(positive);
  if (negated === undefined || reading.flags[negated]?.type !== 'boolean' || attached !== undefined)
    throw new UsageError(`Unknown flag --${written}${suggest(written, Object.keys(reading.flags), '--')}`);
  reading.given.set(negated, [false]);
}

/** Letters of which all but the last take no value. */
function readLetters(word: string, rest: string[], reading: Reading): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const name = Object.keys(reading.flags).find((each) => reading.flags[each]?.short === letter);
    if (name === undefined) throw new UsageError(`Unknown flag -${letter}`);
    const behind = word.slice(at + 1);
    const takesRest = reading.flags[name]?.type !== 'boolean' && behind !== '';
    take(
      name,
      { word: `-${letter}`, attached: takesRest ? behind.replace(/^=/, '') : undefined, rest },
      reading,
    );
    if (takesRest) return;
  }
}

/** A flag as it is written, the value written in the same word, and the words behind it. */
interface Written {
  readonly word: string;
  readonly attached: string | undefined;
  readonly rest: string[];
}

function take(name: string, { word, attached, rest }: Written, { flags, given }: Reading): void {
  const flag = flags[name] as Flag;
  const before = flag.isRepeated ? (given.get(name) ?? []) : [];
  const isValue = (next: string | undefined): boolean => next !== undefined && !/^-(?![\d.])./.test(next);
  const text = attached ?? (flag.type !== 'boolean' && isValue(rest[0]) ? rest.shift() : flag.bare);
  given.set(name, [...before, read(word, text, flag)]);
}

function read(word: string, text: string | undefined, flag: Flag): Value {
  if (flag.type === 'boolean') {
    if (text === undefined || text === 'true' || text === 'false') return text !== 'false';
    throw new UsageError(`Cannot use ${word} "${text}": expected no value`);
  }
  if (text === undefined) throw new UsageError(`Expected a value behind ${word}`);
  if (flag.choices && !flag.choices.includes(text))
    throw new UsageError(`Cannot use ${word} "${text}": expected one of ${flag.choices.join(', ')}`);
  if (flag.type === 'text') return text;
  const value = Number(text);
  if (text.trim() !== '' && !Number.isNaN(value)) return value;
  throw new UsageError(`Cannot use ${word} "${text}": expected a number`);
}

function valuesOf(flags: Flags, given: ReadonlyMap<string, Value[]>): Values {
  const found: [string, Value | readonly Value[]][] = [];
  for (const [name, flag] of Object.entries(flags)) {
    const values = given.get(name) ?? [];
    const value = values[0] ?? flag.default ?? (flag.type === 'boolean' ? false : undefined);
    if (flag.isRepeated) {
      if (values.length > 0 || !flag.isRequired) found.push([name, values]);
    } else if (value !== undefined) found.push([name, value]);
  }
  return Object.fromEntries(found);
}

function placeArguments(free: readonly string[], args: Flags): Values {
  const names = Object.keys(args);
  const found: Record<string, Value | readonly Value[]> = {};
  let at = 0;
  for (const name of names) {
    const flag = args[name] as Flag;
    const texts = flag.isRepeated ? free.slice(at) : free.slice(at, at + 1);
    if (texts.length === 0) throw new UsageError(`Expected <${kebabCase(name)}>`);
    const values = texts.map((text) => read(`<${kebabCase(name)}>`, text, flag));
    found[name] = flag.isRepeated ? values : (values[0] as Value);
    at += texts.length;
  }
  if (at < free.length) throw new UsageError(`Cannot use "${free[at]}": expected no more arguments`);
  return found;
}

/** @returns ` (did you mean --force?)` where a name is like the one that was given, else an empty text */
export function suggest(given: string, names: readonly string[], prefix = ''): string {
  const near = names
    .map((name) => kebabCase(name))
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .filter(({ name, distance }) => distance <= Math.ceil(name.length / 3))
    .sort((a, b) => a.distance - b.distance)[0];
  return near ? ` (did you mean ${prefix}${near.name}?)` : '';
}

/** @returns letters to insert, remove or replace to make one word of another (Levenshtein) */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const above = row;
    row = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const replaced = (above[j] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(replaced, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
  }
  return row.at(-1) ?? 0;
}

/**
 * Reads a share or a difference, as `0.3%` or `0.003`.
 *
 * @param name the flag, for the message
 * @throws RangeError for anything else
 */
export function readShare(name: string, text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?|\.\d+)\s*(%?)$/.exec(text.trim()) ?? [];
  if (digits !== undefined) return percent ? Number(digits) / 100 : Number(digits);
  throw new RangeError(`Cannot use ${name} "${text}": expected a number ("0.3%", "0.003")`);
}

/**
 * Reads a list of items separated by commas.
 *
 * @param name the flag, for the message
 * @throws RangeError for an item that is empty
 */
export function readList(name: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  if (items.every((item) => item !== '')) return items;
  throw new RangeError(`Cannot use ${name} "${text}": expected a list with commas`);
}

/**
 * Checks the value of `--workers`.
 *
 * @throws RangeError
 */
export function checkWorkers(workers: number | undefined): void {
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1))
    throw new RangeError(`Cannot use ${workers} workers: expected a whole number of at least 1`);
}
