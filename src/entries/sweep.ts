// Several diffs at once, and searches for the best or the smallest one, by a recipe.

export type { TrainingJob } from '../recipe/job.js';
export type { RecipeOptions } from '../recipe/options.js';
export { defineRecipe, type Recipe, type RecipeData } from '../recipe/recipe.js';
export type { Search, SmallestOptions } from '../recipe/search/prepare.js';
export { type SearchOptions, type SearchResult, searchDiff, type Try } from '../recipe/search/search-diff.js';
export { type Outcome, type TrainManyOptions, trainMany } from '../recipe/sweep/train-many.js';
