import * as v from 'valibot';
import { parseDocument } from './read-document.js';

const bytes = v.pipe(v.number(), v.integer(), v.minValue(1));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const gap = v.pipe(v.number(), v.minValue(-1), v.maxValue(1));
const seconds = v.pipe(v.number(), v.minValue(0));

const ofPart = {
  maxGap: v.optional(gap),
  maxNegativeFlips: v.optional(share),
  minAccuracy: v.optional(share),
};

const GATES = v.strictObject({
  maxBytes: v.optional(bytes),
  maxShare: v.optional(share),
  ...ofPart,
  maxCalibrationError: v.optional(share),
  maxApplySeconds: v.optional(seconds),
  maxExtraMemoryBytes: v.optional(bytes),
  judgeBy: v.optional(v.picklist(['value', 'interval'])),
  slices: v.optional(v.record(v.string(), v.strictObject(ofPart))),
  classes: v.optional(v.record(v.string(), v.strictObject(ofPart))),
});

/** Limits of a class, or of a slice of the examples. */
export interface PartGates {
  /** Accuracy of the full fine-tune less that of the candidate: −1 to 1. */
  readonly maxGap?: number | undefined;
  /** Share of examples that the base gets right and the candidate wrong: 0 to 1. */
  readonly maxNegativeFlips?: number | undefined;
  /** 0 to 1. */
  readonly minAccuracy?: number | undefined;
}

/** What a payload must keep to, to be shipped. */
export interface Gates extends PartGates {
  readonly maxBytes?: number | undefined;
  /** Of the float32 model: 0 to 1. */
  readonly maxShare?: number | undefined;
  /** Expected calibration error: 0 to 1. */
  readonly maxCalibrationError?: number | undefined;
  readonly maxApplySeconds?: number | undefined;
  readonly maxExtraMemoryBytes?: number | undefined;
  /** Whether what was measured keeps to the limits (`value`, unless given), or all of its 95 % interval does. */
  readonly judgeBy?: 'value' | 'interval' | undefined;
  /** By the name of the slice, as `speaker: theo`; `*` is for all that are not named. */
  readonly slices?: Readonly<Record<string, PartGates>> | undefined;
  /** By the label; `*` is for all that are not named. */
  readonly classes?: Readonly<Record<string, PartGates>> | undefined;
}

/**
 * Reads gates.
 *
 * @param text a JSON file
 * @param name names the file in errors
 * @throws NeuralDiffError `bad-document` for a text that is no JSON, a gate that there is none of, a limit out of its range
 */
export function parseGates(text: string, name: string): Gates {
  return parseDocument(GATES, text, { name, expected: 'gates' });
}
