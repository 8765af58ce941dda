import type { Queue } from 'bullmq';
import { NeuralDiffError } from '../../model/errors.js';

/** Name of the queue in Redis. */
export const QUEUE_NAME = 'neural-diff';

/** Milliseconds until a Redis that does not answer counts as unreachable. */
const PATIENCE = 5_000;

/** @returns the module of BullMQ, which is installed by those who need it */
export async function importBullMq(): Promise<typeof import('bullmq')> {
  try {
    // BullMQ itself loads ioredis only when it connects.
    const [bullmq] = await Promise.all([import('bullmq'), import('ioredis')]);
    return bullmq;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message = 'Cannot use a queue: run "npm install bullmq@6 ioredis@6" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}

/**
 * @returns how BullMQ connects to a URL
 * @throws RangeError for another URL
 */
export function connectionOf(url: string) {
  const isUrl = /^rediss?:\/\//.test(url) && URL.canParse(url);
  if (!isUrl) {
    const expected = 'expected redis://host:6379 or rediss://host:6379';
    throw new RangeError(`Cannot use queue "${withoutPassword(url)}": ${expected}`);
  }
  // A command waits for as long as Redis restarts.
  return { url, maxRetriesPerRequest: null };
}

/**
 * Waits until a queue is connected. A Redis that may be about to start is waited for; one that refuses the
 * password or has another certificate is not.
 *
 * @throws NeuralDiffError `network`
 */
export async function waitUntilReady(queue: Queue, url: string): Promise<void> {
  let last: Error | undefined;
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, PATIENCE, false);
    queue.on('error', (error) => {
      last ??= error;
      if (isFinal(error)) resolve(false);
    });
  });
  const isReady = await Promise.race([queue.waitUntilReady(), failed]).catch((error) => {
    last ??= error;
    return false as const;
  });
  clearTimeout(timer);
  if (isReady !== false) return;
  queue.disconnect().catch(() => {});
  const why = last === undefined ? `no answer in ${PATIENCE / 1000} s` : reasonOf(last);
  throw new NeuralDiffError('network', `Cannot use the queue at ${withoutPassword(url)}: ${why}`, {
    cause: last,
  });
}

/** Whether it is of no use to connect again. */
function isFinal(error: Error): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return isRefusal(error) || code === 'ENOTFOUND' || /CERT|SSL|TLS/.test(code);
}

function isRefusal({ message }: Error): boolean {
  return /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH)\b/.test(message);
}

function reasonOf(error: Error): string {
  if (isRefusal(error)) return 'Redis refuses the password; expected redis://:password@host:6379';
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!/CERT/.test(code)) return error.message;
  return `${error.message}; set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority`;
}

/** @returns a URL that may be printed */
export function withoutPassword(url: string): string {
  return url.replace(/^([^/]*\/\/)?[^/]*@/, '$1***@');
}
