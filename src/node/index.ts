export { type CompressedSize, compressedSize } from './compressed.js';
export type { FileSource } from './file-source.js';
export { createFileSpool, type FileSpool } from './file-spool.js';
export { type FolderOptions, openFolder } from './folder.js';
export { listFiles } from './list-files.js';
export { modelFolder, openModel, type WholeModel, wholeModel } from './open-model.js';
export { type CopyPaths, checkOutput, type OutputOptions, writeCopy, writeOutput } from './output.js';
export { listFolder, removeFrom, writeInto } from './output-folder.js';
export { openPayloadFile, readPayload } from './read-payload.js';
