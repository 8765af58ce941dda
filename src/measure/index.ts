export { BYTE_DIFFERS, type ByteDiff, type FilePair, runByteDiffer } from './byte-differs.js';
export { describeMachine } from './machine.js';
export { type MeasureOptions, measureReport } from './measure-report.js';
export type { ModelPaths } from './open-models.js';
export type { NamedPayload } from './open-payloads.js';
export type { MeasureProgress, StepOptions } from './steps.js';
