/** Bytes hashed by one SHA-256 within a tensor digest, and held in memory at a time by apply. */
export const CHUNK_BYTES = 2 ** 20;

/** Tensors in a model: the largest published networks have about ten thousand. */
export const MAX_TENSORS = 65_536;

/** UTF-8 bytes in a tensor's name. */
export const MAX_NAME_BYTES = 1_024;

/** Dimensions of a tensor. */
export const MAX_RANK = 8;

/** Elements of a tensor: a location is hashed as a 32-bit key. */
export const MAX_ELEMENTS = 2 ** 32 - 1;

/** Bytes of a `model.json`: topology and manifest, no weights. */
export const MAX_MANIFEST_BYTES = 2 ** 26;
