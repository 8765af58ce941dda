/** A part of a file that a source serves. */
export interface SourcePart {
  /** Where in the file the part begins: the offset that was asked for, or 0 from a source that cannot begin elsewhere. */
  readonly offset: number;
  /** The bytes from there to the file's end; whoever stops reading ends the transfer. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Where releases come from: a repository as `neural-diff publish` lays it out. */
export interface UpdateSource {
  /**
   * Fetches a file whole.
   *
   * @param path below the repository, as `metadata/timestamp.json`
   * @param maxBytes longer files are refused
   * @returns the file; undefined where there is none, and only then
   * @throws NeuralDiffError `network`; `limit-exceeded` for a longer file
   */
  fetch(
    path: string,
    options: { maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined>;
  /**
   * Opens a file from an offset on.
   *
   * @throws NeuralDiffError `network`, also where there is no such file
   */
  open(path: string, options: { offset: number; signal?: AbortSignal | undefined }): Promise<SourcePart>;
}
