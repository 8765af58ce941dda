import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as v from 'valibot';
import { NeuralDiffError } from '../../model/errors.js';
import { withFileErrors } from '../../node/file-errors.js';
import { writeInto } from '../../node/output.js';
import type { KnownTask } from './forecast.js';
import type { Trial } from './goal.js';

/** Trials of a task that are kept; the first ones are the defaults. */
const MOST_TRIALS = 500;

const TRIAL = v.object({
  configuration: v.record(v.string(), v.union([v.string(), v.number()])),
  fidelity: v.number(),
  measured: v.optional(v.record(v.string(), v.number())),
});

const KNOWLEDGE = v.object({
  format: v.literal('neural-diff knowledge'),
  version: v.literal(1),
  tasks: v.array(v.object({ space: v.string(), task: v.string(), trials: v.array(TRIAL) })),
});

type Document = v.InferOutput<typeof KNOWLEDGE>;

/** A task, and the space that was searched. */
export interface TaskName {
  /** `payload`, or the choices of a network. */
  readonly space: string;
  /** What makes two tasks the same: digests of the model and of the recipe. */
  readonly task: string;
}

/** Trials of earlier searches, in a file: what one search has learnt, the next one knows. */
export class Knowledge {
  readonly #path: string;
  readonly #document: Document;

  private constructor(path: string, document: Document) {
    this.#path = path;
    this.#document = document;
  }

  /**
   * Reads the file; none counts as an empty one.
   *
   * @throws NeuralDiffError `bad-document`, `file-unreadable`
   */
  static async open(path: string): Promise<Knowledge> {
    return new Knowledge(path, await read(path));
  }

  /** @returns the trials of other tasks in the same space */
  of({ space, task }: TaskName): KnownTask[] {
    return this.#document.tasks
      .filter((known) => known.space === space && known.task !== task)
      .map(({ trials }) => trials.map((trial): Trial => ({ ...trial, measured: trial.measured })));
  }

  /** Replaces what is known of a task in the file, to which other searches may have added theirs. */
  async learn({ space, task }: TaskName, trials: readonly Trial[]): Promise<void> {
    const now = await read(this.#path);
    const others = now.tasks.filter((known) => known.space !== space || known.task !== task);
    const own = trials.slice(0, MOST_TRIALS).map(({ configuration, fidelity, measured }) => ({
      configuration,
      fidelity,
      measured: measured && finite(measured),
    }));
    const document = { ...now, tasks: [...others, { space, task, trials: own }] };
    const text = `${JSON.stringify(document)}\n`;
    const folder = dirname(this.#path);
    await withFileErrors(`Cannot make "${folder}"`, () => mkdir(folder, { recursive: true }));
    await writeInto(folder, basename(this.#path), new TextEncoder().encode(text));
  }
}

function finite(measured: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(measured).filter(([, value]) => Number.isFinite(value)));
}

/** @returns the file's document; an empty one without a file */
async function read(path: string): Promise<Document> {
  try {
    return parse(path, await withFileErrors(`Cannot read "${path}"`, () => readFile(path)));
  } catch (error) {
    if (!(error instanceof NeuralDiffError && error.code === 'file-not-found')) throw error;
    return { format: 'neural-diff knowledge', version: 1, tasks: [] };
  }
}

function parse(path: string, bytes: Uint8Array): Document {
  const refuse = (why: string, cause?: unknown): NeuralDiffError =>
    new NeuralDiffError('bad-document', `Cannot read knowledge of "${path}": ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw refuse('expected JSON; remove the file, or name another one', cause);
  }
  const found = v.safeParse(KNOWLEDGE, value);
  if (found.success) return found.output;
  const [issue] = found.issues;
  throw refuse(`${v.getDotPath(issue) ?? 'the document'}: ${issue.message}`);
}
