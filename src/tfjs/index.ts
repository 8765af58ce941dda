export { useBackend } from './backend.js';
export { loadModel, modelFiles } from './layers-files.js';
export { openLiveModel } from './live-store.js';
export { assignValues, copyWeights, infoOf, type NamedWeight, namedWeights } from './weights.js';
