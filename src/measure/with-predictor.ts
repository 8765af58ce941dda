import { type BaseModel, openBase, type RecipeOptions, type TrainingRooms } from '../recipe/index.js';
import type { Predictor } from '../train/index.js';

/** A model on disk with the payloads that are applied to it, and what its outputs mean. */
export interface LiveModel extends BaseModel, Pick<RecipeOptions, 'outputKind'> {}

/**
 * Loads a model as devices have it, lets something run it, and frees it whatever happened.
 *
 * @throws NeuralDiffError those of `openBase`; `bad-model`
 */
export async function withPredictor<T>(
  { tfjs, train }: TrainingRooms,
  { outputKind, ...base }: LiveModel,
  use: (predictor: Predictor) => Promise<T>,
): Promise<T> {
  const folder = await openBase(base);
  const model = await tfjs.loadModel(folder).finally(() => folder.close());
  const predictor = train.createPredictor(model, { outputKind });
  try {
    return await use(predictor);
  } finally {
    predictor.dispose();
  }
}
