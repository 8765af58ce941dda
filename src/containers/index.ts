export { openGgufStore } from './gguf.js';
export { openNpyStore } from './npy.js';
export { openNpzStore } from './npz.js';
export { openOnnxStore } from './onnx.js';
export { listExternalFiles, openContainer } from './open-container.js';
export { openSafetensorsStore } from './safetensors.js';
export { openSafetensorsIndex } from './safetensors-index.js';
export { openTfliteStore } from './tflite.js';
