export { useBackend } from '../tfjs/backend.js';
export { loadModel, modelFiles } from '../tfjs/layers-files.js';
export { openLiveModel } from '../tfjs/live-store.js';
export { infoOf, type NamedWeight, namedWeights } from '../tfjs/weights.js';
