import { parentPort } from 'node:worker_threads';
import { createTaskRunner, type VoiceTask } from './speech.js';

const run = createTaskRunner();

// A task in, its features out; an error ends the worker and reaches the one who asked.
parentPort?.on('message', async (task: VoiceTask) => {
  const features = await run(task);
  parentPort?.postMessage(features, [features.buffer]);
});
