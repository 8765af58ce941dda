import type { Flag, Flags } from './command.js';
import { COMMON_FLAGS } from './flags.js';
import { HELP_FLAGS, type NamedCommand } from './help.js';
import { kebabCase } from './parse.js';

/** Shells that have a completion. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The name of the program, as users type it. */
const PROGRAM = 'neural-diff';

/**
 * Writes the completion of the command line for a shell: commands, flags, choices, and names of files. It is
 * made from the declarations of the commands, and runs nothing of the program.
 *
 * @returns a script for the shell to read
 */
export function completionFor(shell: (typeof SHELLS)[number], commands: readonly NamedCommand[]): string {
  const lines = { bash: bashLines, zsh: zshLines, fish: fishLines }[shell](commands.map(wordsOf));
  return `${lines.join('\n')}\n`;
}

/** A flag as it is typed. */
interface Option {
  /** `--out`, or `--no-full` for a flag that is on by default. */
  readonly long: string;
  /** `-o`. */
  readonly short?: string;
  readonly text: string;
  /** Whether a value follows it. */
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** What can be typed after a command. */
interface Words {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** Choices of its first argument; none where that is a file. */
  readonly choices: readonly string[];
}

function wordsOf({ name, summary, args, flags }: NamedCommand): Words {
  const all: Flags = { ...flags, ...COMMON_FLAGS, ...HELP_FLAGS };
  const [first] = Object.values(args);
  const options = Object.entries(all).map(([flag, facts]) => optionOf(flag, facts));
  return { name, summary, options, choices: first?.choices ?? [] };
}

function optionOf(name: string, { type, default: preset, short, description, choices = [] }: Flag): Option {
  const isOn = type === 'boolean' && preset === true;
  // The rest is in the help.
  const [text = ''] = description.split(';');
  return {
    long: `--${isOn ? 'no-' : ''}${kebabCase(name)}`,
    ...(short && { short: `-${short}` }),
    text,
    takesValue: type !== 'boolean',
    choices,
  };
}

const spellings = ({ long, short }: Option): string[] => (short ? [long, short] : [long]);

/** Readline completes names of files where the function finds nothing. */
function bashLines(commands: readonly Words[]): string[] {
  return [
    `_neural_diff() {`,
    `  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}`,
    '  local words',
    '  COMPREPLY=()',
    '  if ((COMP_CWORD == 1)); then',
    `    words="${commands.map(({ name }) => name).join(' ')} --help --version"`,
    '  else',
    '    case "$command:$previous" in',
    ...commands.flatMap(bashValues),
    '    esac',
    '    case "$command" in',
    ...commands.map(bashWords),
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    `complete -o default -F _neural_diff ${PROGRAM}`,
  ];
}

/** Words after a flag with a value. */
function bashValues({ name, options }: Words): string[] {
  const taking = options.filter(({ takesValue }) => takesValue);
  const patternOf = (list: readonly Option[]): string =>
    list
      .flatMap(spellings)
      .map((spelling) => `${name}:${spelling}`)
      .join('|');
  const free = taking.filter(({ choices }) => choices.length === 0);
  return [
    ...taking
      .filter(({ choices }) => choices.length > 0)
      .map((option) => {
        const words = option.choices.join(' ');
        return `      ${patternOf([option])}) COMPREPLY=($(compgen -W "${words}" -- "$current")); return ;;`;
      }),
    ...(free.length > 0 ? [`      ${patternOf(free)}) return ;;`] : []),
  ];
}

function bashWords({ name, options, choices }: Words): string {
  const flags = options.map(({ long }) => long).join(' ');
  const first = choices.join(' ');
  return `      ${name}) if [[ $current == -* ]]; then words="${flags}"; elif ((COMP_CWORD == 2)); then words="${first}"; fi ;;`;
}

function zshLines(commands: readonly Words[]): string[] {
  return [
    `#compdef ${PROGRAM}`,
    '_neural_diff() {',
    '  local -a commands',
    '  commands=(',
    ...commands.map(({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`),
    '  )',
    '  if ((CURRENT == 2)); then',
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command=$words[2]',
    '  shift words',
    '  ((CURRENT--))',
    '  case $command in',
    ...commands.flatMap(({ name, options, choices }) => [
      `    ${name})`,
      '      _arguments \\',
      ...options.flatMap(zshOption).map((line) => `        ${line} \\`),
      `        ${quote(choices.length > 0 ? `1:argument:(${choices.join(' ')})` : '*:file:_files')}`,
      '      ;;',
    ]),
    '  esac',
    '}',
    '# Read as a function of fpath, it completes at once; else it is registered.',
    'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then',
    '  _neural_diff "$@"',
    'else',
    `  compdef _neural_diff ${PROGRAM}`,
    'fi',
  ];
}

/** A flag in the language of `_arguments`; all may be repeated, of which the program knows more. */
function zshOption(option: Option): string[] {
  const { text, takesValue, choices } = option;
  const found = choices.length > 0 ? `(${choices.join(' ')})` : '_files';
  const value = takesValue ? `:value:${found}` : '';
  const shown = text.replaceAll(/[[\]\\]/g, '\\$&');
  return spellings(option).map((spelling) => quote(`*${spelling}[${shown}]${value}`));
}

function fishLines(commands: readonly Words[]): string[] {
  const line = (...words: string[]): string => ['complete', '-c', PROGRAM, ...words].join(' ');
  return [
    // Files only where a command takes them.
    line('-n', '__fish_use_subcommand', '-f'),
    ...commands.map(({ name, summary }) =>
      line('-n', '__fish_use_subcommand', '-a', name, '-d', quote(summary)),
    ),
    ...commands.flatMap(({ name, options, choices }) => {
      const after = ['-n', quote(`__fish_seen_subcommand_from ${name}`)];
      const first = choices.length > 0 ? [line(...after, '-f', '-a', quote(choices.join(' ')))] : [];
      return [...first, ...options.map((option) => line(...after, ...fishOption(option)))];
    }),
  ];
}

function fishOption({ long, short, text, takesValue, choices }: Option): string[] {
  const value = choices.length > 0 ? ['-x', '-a', quote(choices.join(' '))] : takesValue ? ['-r'] : [];
  const letter = short ? ['-s', short.slice(1)] : [];
  return ['-l', long.slice(2), ...letter, ...value, '-d', quote(text)];
}

/** @returns text between single quotes, which all three shells read alike */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
