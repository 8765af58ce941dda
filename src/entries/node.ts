// Model folders, files, disks and threads in Node.js.

export {
  createDiffThreads,
  type DiffThreads,
  type DiffThreadsOptions,
} from '../exact-diff/threads/diff-threads.js';
export { type NodeDisk, openNodeDisk } from '../node/disk.js';
export { createFileSpool, type FileSpool } from '../node/file-spool.js';
export { type FolderOptions, openFolder } from '../node/folder.js';
export { type FileStorage, openModel, openModelStorage } from '../node/open-model.js';
export { type OutputOptions, writeOutput } from '../node/output.js';
export { type FileSource, openPayloadFile, readPayload } from '../node/read-payload.js';
