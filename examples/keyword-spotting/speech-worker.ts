import { parentPort } from 'node:worker_threads';
import { speakTask, type VoiceTask } from './speech.js';

/** A thin shell around {@link speakTask}: a task in, its features out; an error ends the worker and reaches the caller. */
parentPort?.on('message', async (task: VoiceTask) => {
  const features = await speakTask(task);
  parentPort?.postMessage(features, [features.buffer]);
});
