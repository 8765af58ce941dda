import type { Estimate } from './interval.js';
import type { Precision } from './precision.js';
import type { Streaming, StreamResult } from './streaming.js';
import type { Unit } from './words.js';

/** Identification of report documents, checked by readers. */
export const REPORT_FORMAT = 'neural-diff report';
export const REPORT_VERSION = 1;

/**
 * A report as data: everything that its pages show. Sizes are in bytes, times in seconds, shares and
 * accuracies fractions of 1. Anything that was not measured is absent.
 */
export interface Report {
  readonly format: typeof REPORT_FORMAT;
  readonly version: typeof REPORT_VERSION;
  readonly title: string;
  readonly machine: Machine;
  /** Absent if only a bench is reported. */
  readonly model?: ModelFacts;
  /** The examples on which accuracy was measured. */
  readonly data?: DataFacts;
  /** The model on the devices. */
  readonly base: MeasuredModel;
  /** The result of plain training of all weights. */
  readonly full?: MeasuredModel;
  /** The payloads, in the order they were given. */
  readonly candidates: readonly Candidate[];
  /** Alternative ways of shipping the full fine-tune. */
  readonly ways: readonly Alternative[];
  readonly advice: Advice;
  /** Size against accuracy of other methods, measured by a bench. */
  readonly frontier?: Frontier;
  /** Consecutive updates, measured by a bench. */
  readonly sequence?: Sequence;
  readonly fleet?: Fleet;
  /** What changed since an earlier report. */
  readonly trend?: Trend;
  /** The payloads that earlier reports and this one advise to ship, oldest first. */
  readonly history?: readonly HistoryPoint[];
  /** How payloads were trained. */
  readonly curves?: readonly Curve[];
  /** The coarsest grids on which devices could store the base. */
  readonly precision?: Precision;
  /** The streams of frames that the models worked through; their `streams` have the results. */
  readonly streaming?: Streaming;
  /** Notes on how this was measured, in sentences. */
  readonly remarks: readonly string[];
}

/** The machine on which it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly memoryBytes: number;
}

/** The model being updated. */
export interface ModelFacts {
  /** Fingerprints, as hexadecimal strings; `next` is that of the full fine-tune. */
  readonly base: string;
  readonly next?: string;
  readonly tensors: number;
  readonly weights: number;
  /** Bytes of its weights as stored. */
  readonly bytes: number;
  /** Bytes of its weights as float32: the reference of shares. */
  readonly float32Bytes: number;
}

/** The examples on which accuracy was measured. */
export interface DataFacts {
  /** `validation` if the recipe has no test data: the payload may have been chosen by these examples. */
  readonly source: 'test' | 'validation';
  readonly examples: number;
  readonly labels: readonly string[];
  /** What ran the models, with its version: TensorFlow.js and its backend, or ONNX Runtime. */
  readonly runtime?: string;
}

/** A payload with its costs and results. */
export interface Candidate extends MeasuredModel {
  /** Unique among the candidates. */
  readonly name: string;
  /** Kinds of its ops, the one with the most bytes first. */
  readonly kinds: readonly string[];
  /** Fingerprint of the resulting model. */
  readonly next: string;
  readonly bytes: number;
  /** Share of the float32 model. */
  readonly share: number;
  readonly apply?: ApplyCost;
  readonly layers: readonly Layer[];
  /** Bytes that belong to no single tensor: header, checksum, files' structure, values that tensors share. */
  readonly sharedBytes: number;
  /** Compared with the model on the devices. */
  readonly versusBase?: Comparison;
  /** Compared with the full fine-tune. */
  readonly versusFull?: Comparison;
  readonly checks: readonly Check[];
}

/** The cost of applying a payload in a separate process that patches files in place, or makes new ones. */
export interface ApplyCost {
  /** Median. */
  readonly seconds: number;
  readonly runs: number;
  /** Peak memory above that of an idle process. */
  readonly extraMemoryBytes: number;
}

/** What a payload changes in one tensor. */
export interface Layer {
  readonly tensor: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly weights: number;
  /** Weights whose bits change. */
  readonly changed: number;
  /**
   * Bytes of its records, or its part of those with several tensors; 0 if it shares its values with others.
   * Small tensors that share a segment of a delta record have parts by their weights.
   */
  readonly bytes: number;
  /** Root mean square of the change, and of the base's weights. */
  readonly change: number;
  readonly magnitude: number;
}

/** A gate and whether it is met. */
export interface Check {
  /** `max-bytes`, `max-gap`, `max-negative-flips`, …; those of slices and classes end with their name. */
  readonly id: string;
  readonly unit: Unit;
  readonly limit: number;
  /** Absent if it could not be measured; the gate is not met then. */
  readonly value?: number;
  readonly isMet: boolean;
  readonly message: string;
}

/** An alternative way of shipping the full fine-tune. */
export interface Alternative {
  readonly name: string;
  /** Absent if the program is not installed, or failed. */
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
  /** The rule that was applied, and arguments for and against the choice, in sentences. */
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

/** The advised payload of a report, or its first one. */
export interface HistoryPoint {
  /** Title of the report. */
  readonly title: string;
  readonly candidate: string;
  readonly isPassed: boolean;
  readonly bytes: number;
  readonly share: number;
  readonly accuracy?: number;
  /** Accuracy of the full fine-tune less that of the payload. */
  readonly gap?: number;
  readonly negativeFlips?: number;
}

/** The training of a payload, epoch by epoch. */
export interface Curve {
  readonly candidate: string;
  /** Accuracy of base and full fine-tune on the validation data. */
  readonly base?: number;
  readonly full?: number;
  readonly epochs: readonly {
    /** Mean over the steps. */
    readonly loss: number;
    /** On the validation data. */
    readonly accuracy?: number;
    /** What the diff's parts report: `density`, `temperature`, `buckets`. */
    readonly state: Readonly<Record<string, number>>;
  }[];
}

/** The raw results of measuring, before they are assessed. */
export interface Measurements
  extends Pick<Report, 'machine' | 'data' | 'base' | 'full' | 'ways' | 'precision' | 'streaming' | 'remarks'>,
    Required<Pick<Report, 'model'>> {
  readonly candidates: readonly Omit<Candidate, 'checks'>[];
}

/**
 * A model and the quality of its predictions; without quality nothing was measured, or `problem` says why
 * not.
 */
export interface MeasuredModel {
  readonly quality?: Quality;
  readonly problem?: string;
  /** How it worked through streams, for each thread of the report's `streaming`; absent unless measured. */
  readonly streams?: readonly StreamResult[];
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
  /** Absent if there are no examples. */
  readonly accuracy?: Estimate;
  /** Examples that the base gets right and this model wrong; absent for the base. */
  readonly negativeFlips?: number;
}

/** The difference between confidence and accuracy, in ten bins of equal width. */
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

/** How a candidate differs from a reference on the same examples. */
export interface Comparison {
  /** Accuracy of the reference minus that of the candidate. */
  readonly gap: Estimate;
  /** Share of examples for which both predict the same class. */
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
  /** A few examples, starting with the most confident wrong predictions. */
  readonly examples: readonly FlipExample[];
}

/** An example whose prediction changed. */
export interface FlipExample {
  readonly index: number;
  readonly name?: string;
  readonly label: string;
  readonly before: string;
  readonly after: string;
  /** Probabilities of the predicted classes. */
  readonly confidenceBefore: number;
  readonly confidenceAfter: number;
}

/** The distance between the candidate's probabilities and the reference's. */
export interface Divergence {
  /** Kullback-Leibler divergence from the reference, in nats: mean and 99th percentile over the examples. */
  readonly mean: number;
  readonly percentile99: number;
}

/** Size against accuracy, measured by `npm run bench -- accuracy`. */
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

/** Consecutive updates, measured by `npm run bench -- sequence`. */
export interface Sequence {
  readonly task: string;
  readonly points: readonly SequencePoint[];
}

/** The result of a method after a number of updates: means over seeds. */
export interface SequencePoint {
  readonly method: string;
  /** From 1. */
  readonly update: number;
  readonly seeds: number;
  /** Size of this update's payload; absent for full fine-tunes. */
  readonly bytes?: number;
  /** On the data of all updates so far. */
  readonly accuracy: number;
  /** Behind the chain of full fine-tunes. */
  readonly gap: number;
}

/** The downloads of a whole fleet. */
export interface Fleet {
  /** Fingerprint of the target model. */
  readonly next: string;
  readonly versions: readonly FleetVersion[];
  readonly devices: number;
  /** Total bytes downloaded: by the cheapest route of each device, and as full models. */
  readonly bytes: number;
  readonly fullBytes: number;
  /** Bytes of signed metadata that `bytes` and `fullBytes` count for each update; 0 by default. */
  readonly metadataBytes?: number;
  /** Direct payloads that would save the most, largest savings first. */
  readonly precompute: readonly Precompute[];
}

/** Devices with one installed version. */
export interface FleetVersion {
  readonly version: string;
  readonly devices: number;
  /** Bytes per device for each available route. */
  readonly direct?: number;
  readonly chain?: number;
  readonly chainSteps?: number;
  readonly full: number;
  readonly best: 'none' | 'direct' | 'chain' | 'full';
  /** Total bytes of the best route for all devices of this version. */
  readonly bytes: number;
}

/** A payload worth making. */
export interface Precompute {
  readonly version: string;
  readonly devices: number;
  /** Its expected size, estimated from the existing direct payloads. */
  readonly expectedBytes: number;
  /** Bytes saved over all devices of the version. */
  readonly savedBytes: number;
}
