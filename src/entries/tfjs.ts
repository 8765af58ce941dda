// TensorFlow.js: backends with training kernels, LayersModel files, live models that are patched.

export { useBackend } from '../tfjs/backend.js';
export { countFlops, type FlopCount } from '../tfjs/count-flops.js';
export { loadGraphModel, loadModel, modelFiles } from '../tfjs/layers-files.js';
export { openLiveModel } from '../tfjs/live-store.js';
export { type NamedWeight, namedWeights } from '../tfjs/weights.js';
