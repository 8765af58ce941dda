/** What an update will write to a model. */
export interface PlannedWrites {
  /** Bytes to write. */
  readonly bytes: number;
  /** Number of runs of neighbouring bytes, of at most `CHUNK_BYTES` each. */
  readonly runs: number;
}

/** Bytes compared, written and journaled as a unit: a page of common file systems. */
export const PAGE_BYTES = 4_096;

/** Maximum bytes of a run of pages that a journal keeps as one entry. */
export const MAX_RUN_BYTES = 2 ** 18;

/** Maximum bytes of a file's path in a journal. */
export const MAX_PATH_BYTES = 1_024;

/** Bytes of a journal's header and marks, and of an entry next to its path and content. */
const FRAME_BYTES = 128;
const ENTRY_BYTES = 23;

/** Bytes of the longest name that common file systems allow. */
const NAME_BYTES = 255;

/**
 * @param files bytes of the longest path of the model's files, and of all those files
 * @returns the most bytes that an undo journal of an update in place takes: the pages that its writes touch
 *   wherever they begin, and a head for each run of them
 */
export function mostJournalBytes(
  { bytes, runs }: PlannedWrites,
  files: { readonly pathBytes?: number; readonly totalBytes?: number } = {},
): number {
  if (bytes === 0) return 0;
  const { pathBytes = NAME_BYTES, totalBytes = Number.POSITIVE_INFINITY } = files;
  const pages = Math.min((Math.ceil(bytes / PAGE_BYTES) + 2 * runs) * PAGE_BYTES, totalBytes);
  // A full buffer splits a run once.
  const entries = 2 * runs + Math.ceil(pages / MAX_RUN_BYTES);
  return FRAME_BYTES + pages + entries * (ENTRY_BYTES + pathBytes);
}
