// Diffs of two models without training, lossless or lossy; payloads in sequence.

export { type ComposedPayload, type ComposeOptions, composePayloads } from '../chain/compose-payloads.js';
export { patchChain } from '../chain/patch-chain.js';
export {
  planRoute,
  type Route,
  type RouteEdge,
  type RouteEnds,
  type RoutePlan,
  routeEdge,
} from '../chain/plan-route.js';
export { type ReversePayload, reversePayload } from '../chain/reverse-payload.js';
export {
  type DiffOptions,
  type DiffProgress,
  diffModels,
  diffStores,
  type ExactDiff,
  type StoreDiff,
} from '../exact-diff/diff-stores.js';
export type { Coder } from '../exact-diff/lane.js';
export { type FitGoal, type FitOptions, fitModels, type LossyDiff } from '../exact-diff/lossy/fit-models.js';
export { type MatchOptions, matchStores, type StoreMatch } from '../exact-diff/match/match-stores.js';
export type { Spool } from '../exact-diff/spooled-records.js';
export { encodePayload, type PayloadFacts } from '../payload/encode.js';
