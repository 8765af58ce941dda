export { compressedBytes } from './compressed.js';
export { type FolderOptions, openFolder } from './folder.js';
export { listFiles } from './list-files.js';
export { modelFolder, openModel, type WholeModel, wholeModel } from './open-model.js';
export { type CopyPaths, checkOutput, type OutputOptions, writeCopy, writeOutput } from './output.js';
export { listFolder, removeFrom, writeInto } from './output-folder.js';
export { readPayload } from './read-payload.js';
