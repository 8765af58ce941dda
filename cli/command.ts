import { EXIT } from './exit-codes.js';
import { COMMON_FLAGS } from './flags.js';
import type { Io } from './io.js';
import { parseCommandLine } from './parse.js';

/** A flag or an argument, as a command declares it. */
export interface Flag {
  readonly type: 'string' | 'number' | 'boolean';
  /** What it is or does, for help: a sentence without its period, and the default unless `default` has it. */
  readonly description: string;
  /** Name of the value in help: `file` for `--out <file>`. */
  readonly placeholder?: string;
  /** One letter as a short form: `o` for `-o`. */
  readonly short?: string;
  readonly choices?: readonly string[];
  readonly default?: string | number | boolean;
  readonly isRequired?: true;
  /** Whether it may be repeated; of any other flag the last value is taken. */
  readonly isRepeated?: true;
  /** Value of the flag where the command line has none after it. */
  readonly valueIfBare?: string;
}

/** Flags by their name in code: `maxBytes` is `--max-bytes` on a command line. */
export type Flags = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { choices: readonly (infer Choice)[] }
  ? Choice
  : { string: string; number: number; boolean: boolean }[F['type']];

type Parsed<F extends Flag> = F extends { isRepeated: true } ? readonly ValueOf<F>[] : ValueOf<F>;

/** Flags that always have a value. */
type AlwaysSet =
  | { readonly isRequired: true }
  | { readonly isRepeated: true }
  | { readonly default: unknown }
  | { readonly type: 'boolean' };

/** Values of flags: without the flag, a boolean is false and a repeated flag an empty list. */
export type FlagsOf<F extends Flags> = {
  readonly [Name in keyof F as F[Name] extends AlwaysSet ? Name : never]: Parsed<F[Name]>;
} & { readonly [Name in keyof F as F[Name] extends AlwaysSet ? never : Name]?: Parsed<F[Name]> };

/** Flags that every command has. */
export type CommonFlags = FlagsOf<typeof COMMON_FLAGS>;

/** Headings of the list of commands, in its order. */
export const GROUPS = [
  'Set up',
  'Make a diff',
  'Train on many machines',
  'Apply a diff',
  'Work with several diffs',
  'Measure diffs',
  'Publish releases',
  'Keep a device up to date',
] as const;

/** A command line that shows what a command is for. */
export interface Example {
  /** What it does: a sentence without its period. */
  readonly description: string;
  /** The command line after `neural-diff`. */
  readonly run: string;
}

/** The arguments and flags of a command, and the texts of its help. */
export interface CommandFacts {
  readonly group: (typeof GROUPS)[number];
  /** What it does, verb first, without a period. */
  readonly summary: string;
  /** Paragraphs of help. */
  readonly details?: readonly string[];
  /** Positional arguments, in their order; required without a default, and the last may be repeated. */
  readonly args: Flags;
  readonly flags: Flags;
  readonly examples: readonly [Example, ...Example[]];
  /** Meaning of exit statuses that is particular to this command. */
  readonly exits?: Partial<Readonly<Record<keyof typeof EXIT, string>>>;
}

/** A command of the program. */
export interface Command extends CommandFacts {
  /**
   * Runs the command.
   *
   * @param args its part of the command line
   * @returns the exit status
   * @throws UsageError for a command line that cannot be used
   */
  run(args: readonly string[], io: Io): Promise<number>;
}

/** A command whose handler takes the values of its arguments and flags. */
interface Definition<Args extends Flags, Own extends Flags> extends CommandFacts {
  readonly args: Args;
  readonly flags: Own;
  /** Does the work, and returns an exit status if that is not 0. */
  handle(flags: FlagsOf<Args> & FlagsOf<Own> & CommonFlags, io: Io): Promise<number> | Promise<void>;
}

/** Name of an output file that stands for stdout. */
const STDOUT = '-';

/** Defines a command: the types of its handler's flags are inferred from the flags that it declares. */
export function defineCommand<const Args extends Flags, const Own extends Flags>(
  definition: Definition<Args, Own>,
): Command {
  const { handle, ...facts } = definition;
  const { args, flags } = definition;
  return {
    ...facts,
    run: async (line, io) => {
      const values = parseCommandLine(line, { args, flags: { ...flags, ...COMMON_FLAGS } });
      const run = async (given: object, own: Io): Promise<number> =>
        (await handle(given as FlagsOf<Args> & FlagsOf<Own> & CommonFlags, own)) ?? EXIT.done;
      if (flags.out?.placeholder !== 'file' || values.out !== STDOUT) return run(values, io);
      const { writeToStdout } = await import('./to-stdout.js');
      return writeToStdout((out, own) => run({ ...values, out }, own), { json: values.json === true, io });
    },
  };
}
