import * as v from 'valibot';
import type { Candidate, Curve } from './document.js';
import { parseDocument } from './read-document.js';

/** Identification of the documents that `train --curve` writes. */
const CURVE_FORMAT = 'neural-diff curve';
const CURVE_VERSION = 1;

const metrics = v.record(v.string(), v.number());

const CURVE = v.object({
  format: v.literal(CURVE_FORMAT),
  version: v.literal(CURVE_VERSION),
  next: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  metrics: v.object({ base: metrics, full: metrics }),
  epochs: v.array(v.object({ loss: v.number(), state: metrics, metrics: v.exactOptional(metrics) })),
});

/** How a payload was trained. */
export type CurveDocument = v.InferOutput<typeof CURVE>;

/** What a trainer says of a diff. */
interface Trained {
  readonly next: string;
  readonly metrics: Readonly<Record<'base' | 'full', Readonly<Record<string, number>>>>;
  readonly epochs: readonly object[];
}

/** @returns the document of a trained diff, as JSON */
export function writeCurve({ next, metrics, epochs }: Trained): string {
  const { base, full } = metrics;
  const curve = { format: CURVE_FORMAT, version: CURVE_VERSION, next, metrics: { base, full }, epochs };
  return `${JSON.stringify(curve)}\n`;
}

/**
 * Parses a document of `writeCurve`.
 *
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document`
 */
export function parseCurve(text: string, name: string): CurveDocument {
  return parseDocument(CURVE, text, { name, expected: 'a curve of a training' });
}

/** @returns the curves of payloads, found by the model that they lead to, in the order of the payloads */
export function curvesOf(
  documents: readonly CurveDocument[],
  candidates: readonly Pick<Candidate, 'name' | 'next'>[],
): Curve[] {
  return candidates.flatMap(({ name, next }) => {
    const found = documents.find((document) => document.next === next);
    return found ? [curveOf(found, name)] : [];
  });
}

function curveOf({ metrics: { base, full }, epochs }: CurveDocument, candidate: string): Curve {
  const accuracyAs = <Name extends string>(name: Name, { accuracy }: Readonly<Record<string, number>> = {}) =>
    (accuracy === undefined ? {} : { [name]: accuracy }) as Partial<Record<Name, number>>;
  return {
    candidate,
    ...accuracyAs('base', base),
    ...accuracyAs('full', full),
    epochs: epochs.map(({ loss, state, metrics: found }) => ({
      loss,
      state,
      ...accuracyAs('accuracy', found),
    })),
  };
}
