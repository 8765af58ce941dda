export { type FitGoal, type FitOptions, fitModels, type LossyDiff, type TensorError } from './fit-models.js';
export type { FitProgress } from './work.js';
