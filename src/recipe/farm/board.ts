import { once } from 'node:events';
import { NeuralDiffError } from '../../model/errors.js';
import { connectionOf, importBullMq, QUEUE_NAME, waitUntilReady } from './redis.js';

/** Where the page of a queue is served, and until when. */
export interface BoardOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly signal: AbortSignal;
  /** Called with the address of the page when it can be opened. */
  readonly onReady: (address: string) => void;
}

/** The page asks no other host, not even for its font. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/**
 * Serves the page of a queue, bull-board, until the signal is aborted. Pages of other sites cannot use it: a
 * request must name this host, and what changes something must come from this page.
 *
 * @throws NeuralDiffError `missing-package` without bull-board, `network` without the queue or the port
 */
export async function serveBoard(url: string, { host, port, signal, onReady }: BoardOptions): Promise<void> {
  const { Hono, serve, serveStatic, createBullBoard, BullMQAdapter, HonoAdapter } = await importBoard();
  const { Queue } = await importBullMq();
  const queue = new Queue(QUEUE_NAME, { connection: connectionOf(url) });
  await waitUntilReady(queue, url);
  try {
    const serverAdapter = new HonoAdapter(serveStatic);
    createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter });
    const app = new Hono();
    app.use(async (context, next) => {
      context.header('Content-Security-Policy', POLICY);
      return isOwn(context.req, host) ? next() : context.text('Forbidden', 403);
    });
    app.route('/', serverAdapter.setBasePath('/').registerPlugin());
    const server = serve({ fetch: app.fetch, hostname: host, port });
    await once(server, 'listening').catch((cause: Error) => {
      throw new NeuralDiffError('network', `Cannot serve at ${host}:${port}: ${cause.message}`, { cause });
    });
    onReady(`http://${host}:${(server.address() as { port: number }).port}/`);
    if (!signal.aborted) await once(signal, 'abort');
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  } finally {
    await queue.close();
  }
}

/** What a request tells of itself. */
interface BoardRequest {
  readonly method: string;
  header(name: string): string | undefined;
}

/** Whether a request is of this page: names of strangers may lead to this host, too. */
function isOwn(request: BoardRequest, host: string): boolean {
  const asked = request.header('host') ?? '';
  const isHere = [host, 'localhost', '127.0.0.1', '[::1]'].includes(asked.replace(/:\d+$/, ''));
  const isReading = request.method === 'GET' || request.method === 'HEAD';
  return isHere && (isReading || request.header('origin') === `http://${asked}`);
}

async function importBoard() {
  try {
    const [{ Hono }, { serve }, { serveStatic }, { createBullBoard }, { BullMQAdapter }, { HonoAdapter }] =
      await Promise.all([
        import('hono'),
        import('@hono/node-server'),
        import('@hono/node-server/serve-static'),
        import('@bull-board/api'),
        import('@bull-board/api/bullMQAdapter'),
        import('@bull-board/hono'),
      ]);
    return { Hono, serve, serveStatic, createBullBoard, BullMQAdapter, HonoAdapter };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const packages = '@bull-board/api@9 @bull-board/hono@9 hono@4 @hono/node-server@2';
    const message = `Cannot show the queue: run "npm install ${packages}" first`;
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
