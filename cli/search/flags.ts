import type { Argv } from 'yargs';
import { DIFF_KINDS, type DiffKind } from '../../src/recipe/options.js';
import type { Search, SmallestOptions } from '../../src/recipe/search/prepare.js';
import type { CommonFlags } from '../io.js';
import { readShare } from '../share.js';
import type { TrainingFlags } from '../training.js';

/** What `train` takes as kind. */
export const KIND_CHOICES = ['auto', ...DIFF_KINDS] as const;

/** Flags of `neural-diff train` when it searches. */
export interface SearchFlags extends CommonFlags, TrainingFlags {
  readonly kind: DiffKind | 'auto';
  readonly budget?: string;
  readonly maxGap?: string;
  readonly least?: string;
  readonly most?: string;
  readonly precision?: number;
  readonly tries?: number;
  readonly metric?: string;
  readonly workers?: number;
  readonly work?: string;
  readonly keepWork: boolean;
  readonly resume: boolean;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly seed?: number;
}

/** Adds the flags of a search to `train`. */
export function withSearch(parser: Argv): Argv {
  const text = (describe: string) => ({ type: 'string', describe }) as const;
  const number = (describe: string) => ({ type: 'number', describe }) as const;
  const options = {
    budget: text('Most bytes of the payload: 0.7%, 20kB, 20000'),
    'max-gap': text(
      'Instead of --budget: find the smallest payload this near to the full fine-tune: 0.3%, 0.003',
    ),
    least: text('Smallest budget to try with --max-gap; by default 0.05%'),
    most: text('Largest budget to try with --max-gap; by default 10%'),
    precision: number('Factor to within which the budget is found with --max-gap; by default 1.15'),
    tries: number('Most diffs to train with --max-gap; by default 12'),
    metric: text(
      'What auto and --max-gap compare on validation data, as wer:lower; by default accuracy, else loss',
    ),
    workers: number('Diffs at once with auto or --max-gap; by default one a processor'),
    work: text('Folder for tries that are under way; by default OUT.search'),
    'keep-work': { type: 'boolean', default: false, describe: 'Keep that folder when all is well' },
    resume: {
      type: 'boolean',
      default: false,
      describe: 'Keep the tries in that folder, train what is missing',
    },
  } as const;
  return parser
    .options(options)
    .example(
      '$0 train auto --base models/v1 --recipe recipe.mjs --budget 0.5% -o v2.ndiff',
      'the better kind',
    )
    .example(
      '$0 train auto --base models/v1 --recipe recipe.mjs --max-gap 0.3% --most 2% -o v2.ndiff',
      'the smallest',
    );
}

/**
 * Says whether a command line asks for a search, and checks that its flags go together.
 *
 * @throws RangeError for flags that do not
 */
export function isSearch(flags: SearchFlags): boolean {
  const { budget, maxGap } = flags;
  if ((budget === undefined) === (maxGap === undefined))
    throw new RangeError('Cannot train: expected either --budget or --max-gap');
  if (maxGap === undefined) refuse(flags, ['least', 'most', 'precision', 'tries'], '--max-gap');
  if (maxGap !== undefined || flags.kind === 'auto') return true;
  refuse(flags, ['metric', 'workers', 'work', 'keepWork', 'resume'], 'auto or --max-gap');
  return false;
}

function refuse(flags: SearchFlags, names: readonly (keyof SearchFlags)[], without: string): void {
  const given = names.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given === undefined) return;
  const flag = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new RangeError(`Cannot use --${flag}: expected it with ${without} alone`);
}

/** @returns what the flags look for */
export function goalOf(flags: SearchFlags): Search['goal'] {
  const { budget, maxGap, least, most, precision, tries } = flags;
  if (maxGap === undefined) return { budget: budget as string };
  return { maxGap: readShare('gap', maxGap), least, most, precision, tries } satisfies SmallestOptions;
}
