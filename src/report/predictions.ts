/** What a model says of every example. */
export interface Predictions {
  readonly classes: number;
  /** Probabilities, a row of all classes for each example. */
  readonly probabilities: Float32Array;
}

/** What is known of the examples. */
export interface Truth {
  /** Names of the classes. */
  readonly labels: readonly string[];
  /** The right class of each example. */
  readonly classes: Int32Array;
  /** A name for each example: its file, perhaps. */
  readonly names?: readonly string[];
  /** By what the examples are told apart, and a value of it for each of them: `speaker` to `["theo", "jackson", …]`. */
  readonly slices?: Readonly<Record<string, readonly string[]>>;
}
