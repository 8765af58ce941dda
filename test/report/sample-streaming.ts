import { assessStreams, type Streaming, type StreamResult } from '../../src/report/streaming.js';
import { createRandom } from '../support.js';

const BRANCHES = [
  { name: 'skip', flops: 96_000 },
  { name: 'narrow', flops: 2_400_000 },
  { name: 'wide', flops: 11_250_000 },
];

/** @returns streams of a keyword spotter with a frame every 10 ms, on two threads */
export function sampleStreaming(): Streaming {
  return { frameSeconds: 0.01, branches: BRANCHES, threads: [6e8, 1.5e9] };
}

/** @returns results of a model that sends a share of the frames through the widest branch */
export function streamsOf(wide: number): StreamResult[] {
  const { threads, ...setting } = sampleStreaming();
  return threads.map((flopsPerSecond, seed) => {
    const random = createRandom(seed);
    const routes = Array.from({ length: 6 }, () =>
      Uint8Array.from({ length: 500 }, () => {
        const place = random() / 2 ** 32;
        return place < wide ? 2 : place < 0.8 ? 1 : 0;
      }),
    );
    const metrics = { 'missed words': 1 - wide / 2, alarms: Math.round(10 * wide) };
    return assessStreams(setting, { routes, metrics, flopsPerSecond });
  });
}
