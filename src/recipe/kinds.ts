/** Kinds of diffs that can be trained; where two are as good, the first is taken. */
export const DIFF_KINDS = ['hash', 'sparse'] as const;

export type DiffKind = (typeof DIFF_KINDS)[number];
