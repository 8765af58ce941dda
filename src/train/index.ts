export type { Quantization, Quantizations } from '../model/index.js';
export { type PackedDiff, packDiff } from '../payload/encode.js';
export { patchModel } from '../payload/index.js';
export { type Budget, budgetBytes, float32Bytes, impossibleBudget } from './budget.js';
export { checkChoice } from './check.js';
export { type ArrayData, type Batch, type Data, isArrayData, type Ports, type Tensors } from './data.js';
export { createDensePart, densePartOf } from './dense-part.js';
export type { DeviceModel } from './device.js';
export type { DistillationOptions } from './distillation.js';
export { type FineTuned, type FineTuneOptions, fineTune, type TrainingOptions } from './fine-tune.js';
export { type Layout, largestThatFits, layOut, pickValues } from './layout.js';
export type { EpochReport, LoopOptions, StepReport } from './loop.js';
export { type DiffPart, type LiveValues, type Progress, type Values, valuesOf } from './part.js';
export {
  createPredictor,
  type Numbers,
  type OutputKind,
  type Predictor,
  type PredictorOptions,
  type Rows,
  readRows,
} from './predictor.js';
export type { Quantised, ScaleOf } from './quantise.js';
export { asScale, rootMeanSquare, scaleLevels, scalesFor } from './quantise.js';
export { checkSeed, createRandom, type Random } from './random.js';
export { nthLargest } from './rank.js';
export { changeSizes } from './sizes.js';
export { scalesOf } from './stored.js';
export { createTask, type Metrics, type Task, type TaskOptions } from './task.js';
export {
  fineTuneFor,
  type PartContext,
  type TrainDiffOptions,
  type TrainedDiff,
  trainDiff,
} from './train-diff.js';
export { createVariable, readFloats, readScaled, zeroVariables } from './variables.js';
