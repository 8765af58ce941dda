export type { DiffKind } from '../recipe/index.js';
export { type Metric, readMetric } from './metric.js';
export {
  type BestGoal,
  type EndedTry,
  type Goal,
  meetsGap,
  nextTries,
  type PlannedTry,
  pickWinner,
  type SearchState,
  type SmallestGoal,
} from './plan.js';
export { type PreparedSearch, prepareSearch, type Search, type SmallestOptions } from './prepare.js';
export { type SearchOptions, type SearchResult, searchDiff, type Try } from './search-diff.js';
export { createMemoryTries, type TriedDiff, type TryStore } from './store.js';
