import type { Progress } from '../../model/progress.js';

/** Options of `measureReport`. */
export interface MeasureOptions {
  /** The model, in any container; a LayersModel, a GraphModel or an ONNX file if accuracy is measured. */
  readonly base: string;
  /** Payloads that devices have applied to it already, in order. */
  readonly chain?: readonly string[] | undefined;
  /** The full fine-tune. */
  readonly next?: string | undefined;
  readonly signal?: AbortSignal;
  /** Called with the number of finished steps; the phase names the step: `predicting with "hash-0.5"`. */
  readonly onProgress?: (progress: Progress) => void;
  /** Payload files, with or without names; by default the names of the files, with folders where needed. */
  readonly payloads: readonly ({ readonly name: string; readonly path: string } | string)[];
  /** Path of a recipe module; accuracy is measured on its test data, or else on its validation data. */
  readonly recipe?: string | undefined;
  /** Seed for the recipe's data: 0 to 2^32 - 1; defaults to a seed derived from the base (`seedFor`). */
  readonly seed?: number | undefined;
  /** TensorFlow.js backend; default `wasm`. */
  readonly backend?: 'wasm' | 'cpu';
  /** How often each payload is applied in a separate process; default 5, 0 to skip. */
  readonly applyRuns?: number;
  /** Whether to run other programs that diff files; default true. */
  readonly byteDiffers?: boolean;
  /** Whether to run the models on the streams of the recipe, if it has any; default true. */
  readonly streams?: boolean;
  /**
   * Largest gap of accuracy, 0 to 1, up to which the base's tensors are put on coarser grids; by default
   * grids are not measured. Needs a recipe.
   */
  readonly precisionGap?: number | undefined;
}

/** Paths of the models of a report. */
export type ModelPaths = Pick<MeasureOptions, 'base' | 'chain' | 'next'>;

/** A payload file and its name in the report. */
export type NamedPayload = Exclude<MeasureOptions['payloads'][number], string>;

/** How to follow and cancel measuring. */
export type StepOptions = Pick<MeasureOptions, 'signal' | 'onProgress'>;
