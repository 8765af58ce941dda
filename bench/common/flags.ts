import { parseArgs } from 'node:util';
import { findTask, TASKS } from '../tasks/index.js';
import { forgetAll } from './keep.js';

/** What the benches of accuracy take. */
export interface TaskFlags {
  readonly tasks: readonly string[];
  readonly seeds: readonly number[];
  readonly quick: boolean;
  /** Every method, not only those that may win. */
  readonly all: boolean;
  readonly data?: string | undefined;
}

/** A bench, for its help. */
interface BenchFacts {
  readonly name: string;
  readonly does: string;
  readonly time: string;
  /** Tasks by default; all by default. */
  readonly tasks?: readonly string[] | undefined;
}

/** Reads the flags of a bench that trains; prints help and ends where that is asked for. */
export async function readFlags(bench: BenchFacts): Promise<TaskFlags> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      fresh: { type: 'boolean', default: false },
      task: { type: 'string', multiple: true },
      data: { type: 'string' },
      seeds: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(helpOf(bench));
    process.exit(0);
  }
  const names = TASKS.map((task) => task.name);
  // Recordings are those of one task.
  const tasks = values.task ?? (values.data === undefined ? (bench.tasks ?? names) : ['keywords']);
  for (const name of tasks) findTask(name);
  const seeds = (values.seeds ?? (values.quick ? '1' : '1,2,3')).split(',').map(Number);
  if (values.fresh) await forgetAll();
  const { quick, all, data } = values;
  return { tasks, seeds, quick, all, data };
}

function helpOf({ name, does, time }: BenchFacts): string {
  const names = TASKS.map((task) => task.name).join(', ');
  return `${does} (${time}).

  npm run -s bench -- ${name} --json        a table on stderr, one JSON document on stdout
  npm run -s bench -- ${name} --quick       a short run: one seed, fewer examples
  npm run -s bench -- ${name} --task NAME   one task (may be given again): ${names}
  npm run -s bench -- ${name} --data DIR    keywords of recordings {label}_{speaker}_{take}.wav
  npm run -s bench -- ${name} --seeds 1,2,3
  npm run -s bench -- ${name} --all         every kind and baseline, not only those that may win
  npm run -s bench -- ${name} --fresh       forget what earlier runs kept

What a run has trained is kept in .cache/bench: the next one goes on from there, and trains again only what
depends on changed code.
`;
}
