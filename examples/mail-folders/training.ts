import type { TrainingPlan } from '../common/train-base.js';

/** How the base model is trained. */
export const BASE_TRAINING: TrainingPlan = { epochs: 10, learningRate: 3e-3, batchSize: 64 };

/** How the full fine-tune is trained: best of what was tried, on the validation set of the first update. */
export const FINE_TUNING: TrainingPlan = { epochs: 8, learningRate: 4e-3, batchSize: 64 };

/** Epochs of a diff. */
export const DIFF_EPOCHS = 48;
