export type { Recipe, RecipeData, RecipeOptions, TrainingJob } from '../recipe/index.js';
export { type FineTunes, type Outcome, type TrainManyOptions, trainMany } from './train-many.js';
export type { SweptDiff } from './worker.js';
