/** Floats of unrolled patches held at once: 1 Mi (4 MiB) stays near the processor's caches and bounds the heap. */
export const MAX_COLUMN_FLOATS = 1 << 20;
