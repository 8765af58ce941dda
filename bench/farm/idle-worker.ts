// A worker of a farm whose jobs are nothing to do: what it takes is the queue's. Its parent ends it.

import { JobQueue } from '../../src/recipe/farm/queue.js';

const [url, slots] = process.argv.slice(2) as [string, string];
const stop = new AbortController();
process.once('message', () => stop.abort());
const queue = await JobQueue.connect(url);
process.send?.('ready');
await queue.work(async () => undefined, { slots: Number(slots), signal: stop.signal });
await queue.close();
process.send?.(process.resourceUsage().maxRSS * 1024);
process.disconnect();
