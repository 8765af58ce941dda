// Train diffs of TensorFlow.js models under a budget of bytes.

export { type TrainHashDiffOptions, trainHashDiff } from '../hash-diff/train-hash-diff.js';
export { createOnnxTask, type OnnxFile } from '../onnx/create-onnx-task.js';
export type { Budget } from '../payload/encode.js';
export { type TrainSparseDiffOptions, trainSparseDiff } from '../sparse-diff/train-sparse-diff.js';
export { annealedChoice, type Temperatures, temperatureAt } from '../train/annealed-choice.js';
export { createTask } from '../train/create-task.js';
export type { ArrayData, Batch, Data, Tensors } from '../train/data.js';
export type { DistillationOptions } from '../train/distillation.js';
export { type FineTuned, type FineTuneOptions, fineTune } from '../train/fine-tune.js';
export type { LossFunction, LossName } from '../train/losses.js';
export type { NetworkTaskOptions } from '../train/network.js';
export type { OutputKind } from '../train/predictor.js';
export type { Selection } from '../train/selection.js';
export type { DeviceModel, Metrics, Task, TaskOptions } from '../train/task.js';
export type { TrainDiffOptions, TrainedDiff } from '../train/train-diff.js';
export type { Checkpoints, StepReport, TrainingOptions } from '../train/training-options.js';
