export { compressedBytes } from './compressed.js';
export { type FolderOptions, openFolder } from './folder.js';
export { listFiles } from './list-files.js';
export { modelFolder, openModel, wholeModel } from './open-model.js';
export { checkOutput, type OutputOptions, writeCopy, writeOutput } from './output.js';
export { listFolder, removeFrom, writeInto } from './output-folder.js';
export { readPayload } from './read-payload.js';
