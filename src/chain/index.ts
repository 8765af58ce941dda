export { type ComposedPayload, type ComposeOptions, composePayloads } from './compose-payloads.js';
export { patchChain } from './patch-chain.js';
export {
  planRoute,
  type Route,
  type RouteEdge,
  type RouteEnds,
  type RoutePlan,
  routeEdge,
} from './plan-route.js';
export { type ReversePayload, reversePayload } from './reverse-payload.js';
