export { addGated, type GateOptions, openGates, pullGated, trackSquares } from './diff/gates.js';
export { addHashed, type HashedValues, type HashPlacement, sumHashed } from './diff/hashed.js';
export { addAt, takeAt } from './diff/sparse.js';
export { type KernelOptions, registerTrainingKernels } from './register.js';
