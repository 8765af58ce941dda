export type {
  Fleet,
  FleetVersion,
  Frontier,
  FrontierPoint,
  Precompute,
  Sequence,
  SequencePoint,
} from './around.js';
export { compareModels, type ModelPair, qualityOf } from './assess.js';
export { type BenchDocument, parseBench, readTask, tasksOf } from './bench.js';
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
export { type FleetOptions, type InstalledVersion, parseFleet, planFleet } from './fleet.js';
export { type Gates, type PartGates, parseGates } from './gates.js';
export { type Discordant, pairedGap, shareOf } from './interval.js';
export { renderJunit } from './junit.js';
export { escapeMarkdown, renderMarkdown } from './markdown.js';
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
export { parseReport, REPORT_SCHEMA } from './schema.js';
export {
  formatBytes,
  formatLimited,
  formatNumber,
  formatPercent,
  formatPoints,
  formatPointsNumber,
  formatSeconds,
  formatShare,
  formatTimes,
  type Unit,
} from './words.js';
export {
  type BenchReportOptions,
  type ReportOptions,
  writeBenchReport,
  writeReport,
} from './write-report.js';
