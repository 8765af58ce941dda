import type { Fleet, Frontier, Sequence } from './around.js';
import type { Comparison, MeasuredModel } from './quality.js';
import type { Unit } from './words.js';

/** First values of every report document: readers check them. */
export const REPORT_FORMAT = 'neural-diff report';
export const REPORT_VERSION = 1;

/**
 * What a report says, as data: everything that its pages show. Bytes are bytes, times seconds, shares and accuracies
 * fractions of 1. What was not measured is absent.
 */
export interface Report {
  readonly format: typeof REPORT_FORMAT;
  readonly version: typeof REPORT_VERSION;
  readonly title: string;
  readonly machine: Machine;
  /** Absent where a bench alone is reported on. */
  readonly model?: ModelFacts;
  /** Examples that accuracy was measured on. */
  readonly data?: DataFacts;
  /** What devices have. */
  readonly base: MeasuredModel;
  /** What plain training of all weights gives. */
  readonly full?: MeasuredModel;
  /** The payloads, in the order in which they were given. */
  readonly candidates: readonly Candidate[];
  /** What other ways of shipping the full fine-tune take. */
  readonly ways: readonly Way[];
  readonly advice: Advice;
  /** Bytes against accuracy of other methods, as a bench measured them. */
  readonly frontier?: Frontier;
  /** Updates in a row, as a bench measured them. */
  readonly sequence?: Sequence;
  readonly fleet?: Fleet;
  /** What changed since an earlier report. */
  readonly trend?: Trend;
  /** What a reader must know of how this was measured, in sentences. */
  readonly remarks: readonly string[];
}

/** Where it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly memoryBytes: number;
}

/** The model that is updated. */
export interface ModelFacts {
  /** Fingerprints in hexadecimal digits; `next` of the full fine-tune. */
  readonly base: string;
  readonly next?: string;
  readonly tensors: number;
  readonly weights: number;
  /** Bytes of its weights as they are stored. */
  readonly bytes: number;
  /** Bytes of as many float32: what shares refer to. */
  readonly float32Bytes: number;
}

/** Examples that accuracy was measured on. */
export interface DataFacts {
  /** `validation` where the recipe has no test data: they may have chosen the payload. */
  readonly source: 'test' | 'validation';
  readonly examples: number;
  readonly labels: readonly string[];
}

/** A payload, what it costs and what it gives. */
export interface Candidate extends MeasuredModel {
  /** Unique among the candidates. */
  readonly name: string;
  /** Kinds of its ops, the one that takes most bytes first. */
  readonly kinds: readonly string[];
  /** Fingerprint of the model that results. */
  readonly next: string;
  readonly bytes: number;
  /** Of the float32 model. */
  readonly share: number;
  readonly apply?: ApplyCost;
  readonly layers: readonly Layer[];
  /** Bytes that are no tensor's alone: header, checksum, values that tensors share. */
  readonly sharedBytes: number;
  /** Against what devices have. */
  readonly versusBase?: Comparison;
  /** Against the full fine-tune. */
  readonly versusFull?: Comparison;
  readonly checks: readonly Check[];
}

/** What applying takes, in a process of its own that patches files in place. */
export interface ApplyCost {
  /** Median. */
  readonly seconds: number;
  readonly runs: number;
  /** Peak memory above that of a process that only starts. */
  readonly extraMemoryBytes: number;
}

/** What a payload does to one tensor. */
export interface Layer {
  readonly tensor: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly weights: number;
  /** Weights whose bits change. */
  readonly changed: number;
  /** Of its records; of those that hold several tensors, its part. 0 where it shares its values with others. */
  readonly bytes: number;
  /** Root mean square of the change, and of the base's weights. */
  readonly change: number;
  readonly magnitude: number;
}

/** A gate, and whether it holds. */
export interface Check {
  /** `max-bytes`, `max-gap`, `max-negative-flips`, …; those of slices end with their name. */
  readonly id: string;
  readonly unit: Unit;
  readonly limit: number;
  /** Absent where it could not be measured: the gate does not hold. */
  readonly value?: number;
  readonly isMet: boolean;
  readonly message: string;
}

/** Another way to ship the full fine-tune. */
export interface Way {
  readonly name: string;
  /** Absent where the program is not installed, or not fit. */
  readonly bytes?: number;
  readonly note?: string;
}

/** What to ship. */
export interface Advice {
  /** Name of the candidate; absent for the full model. */
  readonly ship?: string;
  /** Whether a candidate meets all gates. */
  readonly isPassed: boolean;
  /** One sentence. */
  readonly headline: string;
  /** The rule that led to it, and what speaks for and against it, in sentences. */
  readonly reasons: readonly string[];
}

/** What changed since an earlier report. */
export interface Trend {
  readonly title: string;
  readonly rows: readonly TrendRow[];
}

/** One measure of a candidate, then and now. */
export interface TrendRow {
  readonly candidate: string;
  readonly measure: 'bytes' | 'accuracy' | 'gap' | 'negative-flips' | 'apply-seconds';
  readonly before: number;
  readonly now: number;
}

/** What measuring gives, before anything is made of it. */
export interface Measurements
  extends Pick<Report, 'machine' | 'data' | 'base' | 'full' | 'ways' | 'remarks'>,
    Required<Pick<Report, 'model'>> {
  readonly candidates: readonly Omit<Candidate, 'checks'>[];
}
