export type { TrainingJob } from '../recipe/job.js';
export type { DiffKind } from '../recipe/options.js';
export type { Recipe, RecipeData } from '../recipe/recipe.js';
export { type SearchOptions, type SearchResult, searchDiff } from '../recipe/search/search-diff.js';
export { type Outcome, type TrainManyOptions, trainMany } from '../recipe/sweep/train-many.js';
