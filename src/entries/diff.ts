// Diffs of two models without training, lossless or lossy; payloads of adapters; payloads in sequence.

export { type ComposedPayload, composePayloads } from '../chain/compose-payloads.js';
export { planRoute, type Route, type RouteEdge, type RoutePlan, routeEdge } from '../chain/plan-route.js';
export { type ReversePayload, reversePayload } from '../chain/reverse-payload.js';
export {
  type ImportedAdapter,
  type ImportOptions,
  importAdapter,
} from '../exact-diff/adapter/import-adapter.js';
export type { ImportedTensor } from '../exact-diff/adapter/measure.js';
export { diffFiles } from '../exact-diff/diff-files.js';
export { type DiffOptions, diffStores, type StoreDiff } from '../exact-diff/diff-stores.js';
export type { Coder } from '../exact-diff/lane.js';
export { type FitOptions, fitModels, type LossyDiff } from '../exact-diff/lossy/fit-models.js';
export { type MatchOptions, matchStores, type StoreMatch } from '../exact-diff/match/match-stores.js';
export type { Spool } from '../exact-diff/spooled-records.js';
export { encodePayload, type PayloadFacts } from '../payload/encode.js';
