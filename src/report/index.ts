export type {
  Fleet,
  FleetVersion,
  Frontier,
  FrontierPoint,
  Precompute,
  Sequence,
  SequencePoint,
} from './around.js';
export { compareModels, qualityOf } from './assess.js';
export {
  type Advice,
  type ApplyCost,
  type Candidate,
  type Check,
  type DataFacts,
  type Layer,
  type Machine,
  type Measurements,
  type ModelFacts,
  REPORT_FORMAT,
  REPORT_VERSION,
  type Report,
  type Trend,
  type TrendRow,
  type Way,
} from './document.js';
export type { Predictions, Truth } from './predictions.js';
export type {
  Calibration,
  CalibrationBin,
  Comparison,
  Divergence,
  Estimate,
  FlipExample,
  Flips,
  MeasuredModel,
  Part,
  Quality,
} from './quality.js';
