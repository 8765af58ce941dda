import { expect } from 'vitest';

// Vitest compares typed arrays element by element, which takes seconds for the bytes of a model.
expect.addEqualityTesters([
  (one: unknown, other: unknown) => {
    if (!(one instanceof Uint8Array && other instanceof Uint8Array)) return undefined;
    // Arrays that differ are left to Vitest: it says where.
    return one.constructor === other.constructor && Buffer.compare(one, other) === 0 ? true : undefined;
  },
]);
