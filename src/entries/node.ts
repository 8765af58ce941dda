// Model folders, files, disks and threads in Node.js.

export { createDiffThreads, type DiffThreads } from '../exact-diff/threads/diff-threads.js';
export { type NodeDisk, openNodeDisk } from '../node/disk.js';
export { createFileSpool, type FileSpool } from '../node/file-spool.js';
export { openFolder } from '../node/folder.js';
export { type FileStorage, openModel, openModelStorage } from '../node/open-model.js';
export { writeOutput } from '../node/output.js';
export { type FileSource, openPayloadFile, readPayload } from '../node/read-payload.js';
export { saveModel } from '../recipe/save-model.js';
