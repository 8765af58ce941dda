/** Bytes of a payload file: more is no longer an update. */
export const MAX_PAYLOAD_BYTES = 2 ** 30;

/** Bytes of a payload's header: fingerprints, tensor directory, list of ops, metadata. */
export const MAX_HEADER_BYTES = 2 ** 22;

/** Ops in a payload: a few for each tensor of the largest model. */
export const MAX_OPS = 2 ** 18;

/** Buckets of a hash op. */
export const MAX_BUCKETS = 2 ** 26;

/** Neighbouring weights that one hash may place. */
export const MAX_BLOCK = 1_024;

/** Bits that a level of a sparse or dense op may take. */
export const MAX_LEVEL_BITS = 8;

/** Largest scale: times the largest level it is still a finite float32. */
export const MAX_SCALE = 2 ** 96;

/** Entries of the free-form metadata. */
export const MAX_META_ENTRIES = 64;

/** UTF-8 bytes of a metadata value. */
export const MAX_META_BYTES = 4_096;
