import type { Goal } from '../common/report.js';
import type { ScaleRow } from './steps.js';

/** Goals of 4 GB of which 40 % changed: seconds, and time of copying and hashing the same bytes. */
const DIFF_SECONDS_GOAL = 90;
const APPLY_SECONDS_GOAL = 60;
const OF_COPY_AND_HASH_GOAL = 0.5;

/** Bytes of the model a second, of that size. */
const APPLY_SPEED_GOAL = 67e6;

/** Tensors that change in it; times of smaller models are compared with as large a part of the goals. */
const GOAL_CHANGED = 24;

/**
 * Memory next to that of a command which does nothing; a diff's in one thread, as each other takes its own.
 */
const PLAIN_MEMORY_GOAL = 16e6;
const WASM_MEMORY_GOAL = 32e6;
const DIFF_MEMORY_GOAL = 64e6;

/** Seconds for a model of 20,000 tensors. */
const MANY_GOALS = { fingerprint: 1, diff: 3, 'apply --in-place': 3 } as const;

/** @returns the goals of large models, of which `changed` tensors change */
export function largeGoals(rows: readonly ScaleRow[], changed: number): Goal[] {
  const row = (step: string): ScaleRow => rows.find((each) => each.step === step) as ScaleRow;
  const apply = row('apply --in-place');
  const part = changed / GOAL_CHANGED;
  const [cp, hash] = [row('cp').seconds, row('sha256sum').seconds];
  const isTimed = cp !== null && hash !== null && apply.seconds !== null;
  const lower = { better: 'lower' } as const;
  const memory = (id: string, { extraBytes }: ScaleRow, goal: number): Goal => {
    return { id: `scale.${id}-memory-bytes`, value: extraBytes, goal, ...lower };
  };
  return [
    { id: 'scale.diff.seconds', value: row('diff').seconds, goal: DIFF_SECONDS_GOAL * part, ...lower },
    { id: 'scale.apply.seconds', value: apply.seconds, goal: APPLY_SECONDS_GOAL * part, ...lower },
    {
      id: 'scale.apply.of-copy-and-hash',
      value: isTimed ? ((cp as number) + (hash as number)) / (apply.seconds as number) : null,
      goal: OF_COPY_AND_HASH_GOAL,
      better: 'higher',
    },
    {
      id: 'scale.apply.bytes-per-second',
      value: apply.bytesPerSecond,
      goal: APPLY_SPEED_GOAL,
      better: 'higher',
    },
    memory('apply.extra', apply, WASM_MEMORY_GOAL),
    memory('apply.plain-extra', row('apply, plain decoder'), PLAIN_MEMORY_GOAL),
    memory('diff.extra', row('diff --workers 1'), DIFF_MEMORY_GOAL),
  ];
}

/** @returns the goals of a model of many small tensors */
export function manyGoals(rows: readonly ScaleRow[]): Goal[] {
  return Object.entries(MANY_GOALS).map(([step, goal]) => {
    const value = rows.find((row) => row.step === step)?.seconds ?? null;
    return { id: `scale.many.${step.split(' ')[0]}-seconds`, value, goal, better: 'lower' };
  });
}
