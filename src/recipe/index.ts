export { importTraining, type TrainingRooms } from './import-training.js';
export { DIFF_KINDS, type DiffKind } from './kinds.js';
export { type BaseModel, openBase, seedFor } from './open-base.js';
export { type RecipeOptions, unknownOptions } from './options.js';
export { loadRecipe, loadRecipeData, type Recipe, type RecipeData } from './recipe.js';
export {
  type FineTuneJob,
  fineTuneByRecipe,
  fineTuneKey,
  type JobContext,
  type TrainingJob,
  trainByRecipe,
} from './train-by-recipe.js';
export { type ModelOutput, writeFineTune } from './write-fine-tune.js';
