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
  readonly ways: readonly Alternative[];
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
export interface Alternative {
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

/** A measured share or difference, with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** A model and what its predictions are worth; no quality where nothing was measured, or where a problem says why. */
export interface MeasuredModel {
  readonly quality?: Quality;
  readonly problem?: string;
}

/** How well a model predicts. */
export interface Quality {
  readonly accuracy: Estimate;
  readonly calibration: Calibration;
  /** In the order of the labels. */
  readonly classes: readonly Part[];
  readonly slices: readonly Part[];
}

/** A class, or a slice of the examples. */
export interface Part {
  readonly name: string;
  readonly examples: number;
  /** Absent without examples. */
  readonly accuracy?: Estimate;
  /** Examples that the base gets right and this model wrong; absent for the base. */
  readonly negativeFlips?: number;
}

/** How far confidence is from accuracy, in ten bins of equal width. */
export interface Calibration {
  /** Expected calibration error. */
  readonly error: number;
  /** Bins with examples. */
  readonly bins: readonly CalibrationBin[];
}

/** Examples whose top class has a probability from `low` to `high`. */
export interface CalibrationBin {
  readonly low: number;
  readonly high: number;
  readonly examples: number;
  readonly confidence: number;
  readonly accuracy: number;
}

/** Two models on the same examples: how a candidate differs from a reference. */
export interface Comparison {
  /** Accuracy of the reference less that of the candidate. */
  readonly gap: Estimate;
  /** Share of examples to which both give the same class. */
  readonly agreement: Estimate;
  /** Right before, wrong now. */
  readonly negativeFlips: Flips;
  /** Wrong before, right now. */
  readonly positiveFlips: Flips;
  readonly divergence: Divergence;
}

/** Examples whose prediction became wrong, or right. */
export interface Flips {
  readonly count: number;
  readonly share: Estimate;
  /** A few, those of the most confident wrong prediction first. */
  readonly examples: readonly FlipExample[];
}

/** An example whose prediction changed. */
export interface FlipExample {
  readonly index: number;
  readonly name?: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
  /** Probabilities of the classes that were predicted. */
  readonly confidenceBefore: number;
  readonly confidenceAfter: number;
}

/** How far the candidate's probabilities are from the reference's. */
export interface Divergence {
  /** Kullback-Leibler divergence from the reference, in nats: mean and 99th percentile over the examples. */
  readonly mean: number;
  readonly percentile99: number;
}

/** Bytes against accuracy, as `bench:accuracy` measures it. */
export interface Frontier {
  readonly task: string;
  readonly base: number;
  readonly full: number;
  readonly points: readonly FrontierPoint[];
}

/** A method at one size: means over seeds. */
export interface FrontierPoint {
  readonly method: string;
  readonly seeds: number;
  readonly bytes: number;
  readonly share: number;
  readonly accuracy: number;
  readonly deviation: number;
  /** Behind the full fine-tune. */
  readonly gap: number;
}

/** Updates in a row, as `bench:sequence` measures them. */
export interface Sequence {
  readonly task: string;
  readonly points: readonly SequencePoint[];
}

/** What a method is worth after so many updates: means over seeds. */
export interface SequencePoint {
  readonly method: string;
  /** From 1. */
  readonly update: number;
  readonly seeds: number;
  /** Of this update's payload; absent for full fine-tunes. */
  readonly bytes?: number;
  /** On everything so far. */
  readonly accuracy: number;
  /** Behind the chain of full fine-tunes. */
  readonly gap: number;
}

/** What a whole fleet downloads. */
export interface Fleet {
  /** Fingerprint of the model that all devices are to have. */
  readonly next: string;
  readonly versions: readonly FleetVersion[];
  readonly devices: number;
  /** Bytes that all devices download together: each by its cheapest way, and all by the full model. */
  readonly bytes: number;
  readonly fullBytes: number;
  /** Direct payloads that would save most, the largest saving first. */
  readonly precompute: readonly Precompute[];
}

/** Devices of one installed version. */
export interface FleetVersion {
  readonly version: string;
  readonly devices: number;
  /** Bytes a device by each way that there is. */
  readonly direct?: number;
  readonly chain?: number;
  readonly chainSteps?: number;
  readonly full: number;
  readonly best: 'none' | 'direct' | 'chain' | 'full';
  /** Bytes of the best way for all devices of this version. */
  readonly bytes: number;
}

/** A payload worth making. */
export interface Precompute {
  readonly version: string;
  readonly devices: number;
  /** Bytes that it may take: as many as payloads of one step do. */
  readonly expectedBytes: number;
  /** Bytes that all devices of the version would save together. */
  readonly savedBytes: number;
}
