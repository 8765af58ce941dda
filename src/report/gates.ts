import * as v from 'valibot';
import type { Candidate, Check, MeasuredModel, Measurements, Part } from './document.js';
import type { Estimate } from './interval.js';
import { parseDocument } from './read-document.js';
import { formatLimited, formatPair, type Unit } from './words.js';

const bytes = v.pipe(v.number(), v.integer(), v.minValue(1));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const gap = v.pipe(v.number(), v.minValue(-1), v.maxValue(1));
const seconds = v.pipe(v.number(), v.minValue(0));

const ofPart = {
  maxGap: v.exactOptional(gap),
  maxNegativeFlips: v.exactOptional(share),
  minAccuracy: v.exactOptional(share),
};

const GATES = v.strictObject({
  maxBytes: v.exactOptional(bytes),
  maxShare: v.exactOptional(share),
  ...ofPart,
  maxCalibrationError: v.exactOptional(share),
  maxApplySeconds: v.exactOptional(seconds),
  maxExtraMemoryBytes: v.exactOptional(bytes),
  judgeBy: v.exactOptional(v.picklist(['value', 'interval'])),
  slices: v.exactOptional(v.record(v.string(), v.strictObject(ofPart))),
  classes: v.exactOptional(v.record(v.string(), v.strictObject(ofPart))),
});

/** Limits for a class or a slice of the examples. */
export interface PartGates {
  /** Accuracy of the full fine-tune minus that of the candidate: −1 to 1. */
  readonly maxGap?: number;
  /** Share of examples that the base gets right and the candidate gets wrong: 0 to 1. */
  readonly maxNegativeFlips?: number;
  /** 0 to 1. */
  readonly minAccuracy?: number;
}

/** Limits that a payload must meet to be shipped. */
export interface Gates extends PartGates {
  readonly maxBytes?: number;
  /** Of the float32 model: 0 to 1. */
  readonly maxShare?: number;
  /** Expected calibration error: 0 to 1. */
  readonly maxCalibrationError?: number;
  readonly maxApplySeconds?: number;
  readonly maxExtraMemoryBytes?: number;
  /** Whether the measured value must meet the limits (`value`, the default), or all of its 95 % interval. */
  readonly judgeBy?: 'value' | 'interval';
  /** By the name of the slice, such as `speaker: theo`; `*` applies to all others. */
  readonly slices?: Readonly<Record<string, PartGates>>;
  /** By label; `*` applies to all others. */
  readonly classes?: Readonly<Record<string, PartGates>>;
}

/**
 * Parses gates.
 *
 * @param text a JSON file
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document` for invalid JSON, an unknown gate, a limit out of range
 */
export function parseGates(text: string, name: string): Gates {
  return parseDocument(GATES, text, { name, expected: 'gates' });
}

/** A measured payload. */
type Measured = Omit<Candidate, 'checks'>;

/** Compares one value with one limit. */
interface Rule {
  readonly id: string;
  /** The limited quantity, in words. */
  readonly what: string;
  readonly limit: number | undefined;
  readonly value: number | undefined;
  /** Whether the limit is a minimum. */
  readonly isLeast?: boolean;
  readonly unit: Unit;
}

/**
 * Checks a payload against gates.
 *
 * @returns a check for each gate; a gate whose value was not measured is not met
 */
export function checksOf(candidate: Measured, { base, full }: Measurements, gates: Gates): Check[] {
  const models = { candidate, full, base };
  return [
    ...wholeRules(candidate, gates),
    ...partRules('slice', models, gates.slices),
    ...partRules('class', models, gates.classes),
  ].flatMap((rule) => (rule.limit === undefined ? [] : [check(rule, rule.limit)]));
}

function check({ id, what, value, isLeast, unit }: Rule, limit: number): Check {
  const bound = isLeast ? 'at least' : 'at most';
  if (value === undefined) {
    const message = `${what}: not measured, expected ${bound} ${formatLimited(limit, unit)}`;
    return { id, unit, limit, isMet: false, message };
  }
  const isMet = isLeast ? value >= limit : value <= limit;
  const [found, expected] = formatPair(value, limit, unit);
  const message = `${what}: ${found}, expected ${bound} ${expected}`;
  return { id, unit, limit, value, isMet, message };
}

function wholeRules(candidate: Measured, gates: Gates): Rule[] {
  const { bytes, share, quality, apply, versusBase, versusFull } = candidate;
  const end = (estimate: Estimate | undefined, worst: 'low' | 'high'): number | undefined =>
    estimate?.[gates.judgeBy === 'interval' ? worst : 'value'];
  const gap = end(versusFull?.gap, 'high');
  const flips = end(versusBase?.negativeFlips.share, 'high');
  return [
    { id: 'max-bytes', what: 'payload', limit: gates.maxBytes, value: bytes, unit: 'bytes' },
    { id: 'max-share', what: 'share of the model', limit: gates.maxShare, value: share, unit: 'share' },
    {
      id: 'min-accuracy',
      what: 'accuracy',
      limit: gates.minAccuracy,
      value: end(quality?.accuracy, 'low'),
      isLeast: true,
      unit: 'share',
    },
    {
      id: 'max-gap',
      what: 'gap to the full fine-tune',
      limit: gates.maxGap,
      value: gap,
      unit: 'points',
    },
    {
      id: 'max-negative-flips',
      what: 'negative flips',
      limit: gates.maxNegativeFlips,
      value: flips,
      unit: 'share',
    },
    {
      id: 'max-calibration-error',
      what: 'calibration error',
      limit: gates.maxCalibrationError,
      value: quality?.calibration.error,
      unit: 'share',
    },
    {
      id: 'max-apply-seconds',
      what: 'time to apply',
      limit: gates.maxApplySeconds,
      value: apply?.seconds,
      unit: 'seconds',
    },
    {
      id: 'max-extra-memory-bytes',
      what: 'extra memory',
      limit: gates.maxExtraMemoryBytes,
      value: apply?.extraMemoryBytes,
      unit: 'bytes',
    },
  ];
}

/** The models whose parts are compared. */
interface Models {
  readonly candidate: Measured;
  readonly full: MeasuredModel | undefined;
  readonly base: MeasuredModel | undefined;
}

function partRules(
  kind: 'slice' | 'class',
  { candidate, full, base }: Models,
  gates: Readonly<Record<string, PartGates>> = {},
): Rule[] {
  const partsOf = ({ quality }: MeasuredModel = {}) =>
    (kind === 'slice' ? quality?.slices : quality?.classes) ?? [];
  const [parts, references] = [partsOf(candidate), partsOf(full)];
  const known = new Set([...partsOf(base), ...parts].map(({ name }) => name));
  // Without any parts, a gate on all parts is one on an unmeasured value.
  const others = known.size === 0 ? ['*'] : known;
  const names = new Set([
    ...Object.keys(gates).filter((name) => name !== '*'),
    ...('*' in gates ? others : []),
  ]);
  return [...names].flatMap((name) => {
    const limits = Object.hasOwn(gates, name) ? (gates[name] as PartGates) : (gates['*'] as PartGates);
    const part = parts.find((each) => each.name === name);
    const reference = references.find((each) => each.name === name);
    return rulesOfPart(`${kind} ${name}`, { part, reference }, limits);
  });
}

/**
 * @returns the gap of a part, from counts: the difference of two rounded shares could exceed a limit that is
 *   met
 */
function gapOf(part: Part, reference: Part): number | undefined {
  if (part.accuracy === undefined || reference.accuracy === undefined) return undefined;
  const rightOf = ({ accuracy, examples }: Part): number => Math.round((accuracy?.value ?? 0) * examples);
  return (rightOf(reference) - rightOf(part)) / part.examples;
}

/** Classes and slices have few examples, so they are judged by the measured value, not by its interval. */
function rulesOfPart(
  place: string,
  { part, reference }: { part: Part | undefined; reference: Part | undefined },
  limits: PartGates,
): Rule[] {
  const accuracy = part?.accuracy?.value;
  const gap = part && reference && gapOf(part, reference);
  const flips = part?.negativeFlips;
  const share =
    part === undefined || flips === undefined || part.examples === 0 ? undefined : flips / part.examples;
  return [
    {
      id: `min-accuracy of ${place}`,
      what: `accuracy of ${place}`,
      limit: limits.minAccuracy,
      value: accuracy,
      isLeast: true,
      unit: 'share',
    },
    {
      id: `max-gap of ${place}`,
      what: `gap of ${place}`,
      limit: limits.maxGap,
      value: gap,
      unit: 'points',
    },
    {
      id: `max-negative-flips of ${place}`,
      what: `negative flips of ${place}`,
      limit: limits.maxNegativeFlips,
      value: share,
      unit: 'share',
    },
  ];
}
