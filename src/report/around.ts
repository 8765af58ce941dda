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
