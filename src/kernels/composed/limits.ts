/** Below this many multiplications a product, the stock loop costs less than a call of XNNPACK for each entry. */
export const MIN_MULTIPLICATIONS_PER_CALL = 8192;

/** Floats of unrolled patches held at once: 1 Mi (4 MiB) stays near the processor's caches and bounds the heap. */
export const MAX_COLUMN_FLOATS = 1 << 20;
