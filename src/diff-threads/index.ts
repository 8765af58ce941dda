export { createDiffThreads, type DiffThreads, type DiffThreadsOptions } from './diff-threads.js';
