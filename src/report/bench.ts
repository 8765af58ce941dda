import * as v from 'valibot';
import { NeuralDiffError } from '../model/errors.js';
import type { Frontier, Sequence } from './document.js';
import { parseDocument } from './read-document.js';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const gap = v.pipe(v.number(), v.minValue(-1), v.maxValue(1));
const size = v.pipe(v.number(), v.minValue(0));

const ACCURACY_ROW = v.object({
  task: v.string(),
  method: v.string(),
  seeds: count,
  bytes: v.nullable(size),
  share: v.nullable(size),
  mean: v.nullable(share),
  deviation: v.nullable(size),
  gap: v.nullable(gap),
});

const SEQUENCE_ROW = v.object({
  task: v.string(),
  method: v.string(),
  update: v.pipe(count, v.minValue(1)),
  seeds: count,
  bytes: v.nullable(size),
  mean: share,
  gap,
});

const BENCH = v.variant('bench', [
  v.object({ schema: v.literal(1), bench: v.literal('accuracy'), rows: v.array(ACCURACY_ROW) }),
  v.object({ schema: v.literal(1), bench: v.literal('sequence'), rows: v.array(SEQUENCE_ROW) }),
]);

/** A document of `npm run bench -- accuracy` or `npm run bench -- sequence`. */
export type BenchDocument = v.InferOutput<typeof BENCH>;

/** Rows of the frontier that are not methods. */
const [BASE, FULL] = ['base', 'full fine-tune'];

/**
 * Parses the `--json` output of a bench.
 *
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document`
 */
export function parseBench(text: string, name: string): BenchDocument {
  return parseDocument(BENCH, text, { name, expected: 'a bench document' });
}

/** @returns the tasks of a bench document, in order */
export function tasksOf({ rows }: BenchDocument): string[] {
  return [...new Set((rows as readonly { readonly task: string }[]).map(({ task }) => task))];
}

/**
 * Picks one task from bench documents.
 *
 * @throws NeuralDiffError `bad-document` if none of them contains the task, or base or full fine-tune are
 *   missing
 */
export function readTask(
  documents: readonly BenchDocument[],
  task: string,
): { frontier?: Frontier; sequence?: Sequence } {
  const found = documents.filter((document) => tasksOf(document).includes(task));
  if (found.length === 0)
    throw new NeuralDiffError(
      'bad-document',
      `Cannot report on task "${task}": no bench document contains it`,
    );
  const parts = found.map((document) =>
    document.bench === 'accuracy'
      ? {
          frontier: frontierOf(
            document.rows.filter((row) => row.task === task),
            task,
          ),
        }
      : {
          sequence: sequenceOf(
            document.rows.filter((row) => row.task === task),
            task,
          ),
        },
  );
  return Object.assign({}, ...parts);
}

function frontierOf(rows: readonly v.InferOutput<typeof ACCURACY_ROW>[], task: string): Frontier {
  const meanOf = (method: string): number => {
    const mean = rows.find((row) => row.method === method)?.mean;
    if (mean != null) return mean;
    throw new NeuralDiffError(
      'bad-document',
      `Cannot report on task "${task}": expected a row of "${method}"`,
    );
  };
  const points = rows.flatMap(({ method, seeds, bytes, share, mean, deviation, gap }) =>
    bytes === null || share === null || mean === null || gap === null || method === BASE || method === FULL
      ? []
      : [{ method, seeds, bytes, share, accuracy: mean, deviation: deviation ?? 0, gap }],
  );
  return { task, base: meanOf(BASE as string), full: meanOf(FULL as string), points };
}

function sequenceOf(rows: readonly v.InferOutput<typeof SEQUENCE_ROW>[], task: string): Sequence {
  const points = rows.map(({ method, update, seeds, bytes, mean, gap }) => ({
    method,
    update,
    seeds,
    ...(bytes !== null && { bytes }),
    accuracy: mean,
    gap,
  }));
  return { task, points };
}
