// What a page asks its worker for, and what the worker answers.

/** A file that a person chose, or that comes with the page; `path` is its place in the model's folder. */
export interface PickedFile {
  readonly path: string;
  readonly blob: Blob;
}

export type TaskName = 'pictures' | 'melodies';
export type DiffKind = 'hash' | 'sparse';

/** A job of a worker, which does one at a time. */
export type Job =
  | { readonly type: 'compare'; readonly base: readonly PickedFile[]; readonly next: readonly PickedFile[] }
  | { readonly type: 'apply'; readonly base: readonly PickedFile[]; readonly payload: Blob }
  | {
      readonly type: 'predict';
      readonly base: readonly PickedFile[];
      readonly next: readonly PickedFile[];
      /** Values of one example each; a made-up one without. */
      readonly inputs?: readonly (readonly number[])[];
    }
  | ({ readonly type: 'train' } & TrainOptions);

export interface TrainOptions {
  readonly task: TaskName;
  readonly kind: DiffKind;
  /** Of the model's bytes. */
  readonly budget: string;
  readonly epochs: number;
  readonly seed: number;
}

/** A model as it was found. */
export interface ModelFacts {
  readonly fingerprint: string;
  readonly bytes: number;
  readonly weights: number;
  readonly tensors: number;
}

/** What changed in a tensor. */
export interface TensorRow {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly weights: number;
  readonly changed: number;
  /** Largest change of a weight; undefined where values cannot be compared. */
  readonly largest?: number | undefined;
}

/** A way to send the next model, and the bytes that it takes. */
export interface SizeRow {
  readonly name: string;
  readonly bytes: number;
}

export interface Comparison {
  readonly base: ModelFacts;
  readonly next: ModelFacts;
  /** The tensors that both models have. */
  readonly rows: readonly TensorRow[];
  /** Names that only one of the models has. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly sizes: readonly SizeRow[];
  readonly payload: Blob;
  /** Whether the payload makes new files, as the models differ in more than values. */
  readonly makesFiles: boolean;
}

export interface Applied {
  readonly base: ModelFacts;
  readonly next: ModelFacts;
  readonly payloadBytes: number;
  /** The fingerprint that the payload promises. */
  readonly promised: string;
  readonly files: readonly PickedFile[];
  readonly rows: readonly TensorRow[];
}

/** Outputs of both models for each input. */
export type Predictions = readonly { readonly base: readonly number[]; readonly next: readonly number[] }[];

/** An epoch of training. */
export interface EpochRow {
  readonly phase: 'base' | 'fine-tune' | 'diff';
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  /** Share of the weights that the diff changes, where it is pruned. */
  readonly density?: number | undefined;
}

export interface Trained {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** In hexadecimal digits. */
  readonly sha256: string;
  /** Bytes of the base's weights. */
  readonly modelBytes: number;
  readonly accuracy: { readonly base: number; readonly full: number; readonly diff: number };
  /** Examples that accuracy is measured on. */
  readonly examples: number;
  /** The base as a folder, for the payload to be applied to. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
  /** The full fine-tune as a folder. */
  readonly fullFiles: Trained['files'];
}

export interface Results {
  readonly compare: Comparison;
  readonly apply: Applied;
  readonly predict: Predictions;
  readonly train: Trained;
}

/** How far a job is: `done` of `total`, in bytes or steps. */
export interface JobProgress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

/** A message of the worker. */
export type Message =
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'epoch'; readonly epoch: EpochRow }
  | { readonly type: 'result'; readonly result: Results[keyof Results] }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** What a job tells while it runs. */
export interface Tell {
  readonly progress: (progress: JobProgress) => void;
  readonly epoch: (epoch: EpochRow) => void;
}
