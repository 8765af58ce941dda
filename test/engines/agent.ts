import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';

/** A server whose pages do what a test asks for, in browsers that no other driver controls. */
export interface AgentServer {
  readonly origin: string;
  /** Evaluates an expression where the newest agent runs; waits for it, and for an agent. */
  evaluate<T>(code: string): Promise<T>;
  /** Forgets the agent, which is about to end; the next expression goes to the next one. */
  forget(): void;
  close(): Promise<void>;
}

/** An answer to a request that is not the agent's; undefined for a missing file. */
export type Answer = (path: string) => Promise<{ type: string; body: Uint8Array | string } | undefined>;

/** An expression and what waits for its value. */
interface Task {
  readonly id: number;
  readonly code: string;
  readonly settle: (reply: { value?: unknown; error?: string }) => void;
}

/** The part of the server that agents talk to. */
class Agents {
  readonly #tasks: Task[] = [];
  readonly #running = new Map<number, Task>();
  #poll: { token: string; response: ServerResponse } | undefined;
  readonly #ignored = new Set<string>();
  /** The agent that is obeyed; others may come from a page that is about to end. */
  #token: string | undefined;
  #ids = 0;

  add(code: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle: Task['settle'] = ({ value, error }) =>
        error === undefined ? resolve(value) : reject(new Error(error));
      this.#tasks.push({ id: this.#ids++, code, settle });
      this.#give();
    });
  }

  forget(): void {
    if (this.#token !== undefined) this.#ignored.add(this.#token);
    this.#token = undefined;
    this.#poll = undefined;
    for (const { settle } of this.#running.values()) settle({ error: 'the agent has ended' });
    this.#running.clear();
  }

  poll(token: string, response: ServerResponse): void {
    this.#token ??= this.#ignored.has(token) ? undefined : token;
    if (token !== this.#token) {
      this.#ignored.add(token);
      return;
    }
    this.#poll = { token, response };
    response.on('close', () => {
      if (this.#poll?.response === response) this.#poll = undefined;
    });
    this.#give();
  }

  done({ id, ...reply }: { id: number; value?: unknown; error?: string }): void {
    this.#running.get(id)?.settle(reply);
    this.#running.delete(id);
  }

  #give(): void {
    if (!this.#poll || this.#tasks.length === 0) return;
    const task = this.#tasks.shift() as Task;
    this.#running.set(task.id, task);
    this.#poll.response.setHeader('content-type', 'application/json');
    this.#poll.response.end(JSON.stringify({ id: task.id, code: task.code }));
    this.#poll = undefined;
  }
}

/** @returns a page with an agent */
export const withAgent = (page: string): string =>
  page.replace('</body>', '<script src="agent.js"></script></body>');

/** The agent's own script, at `/agent.js`. */
const SCRIPT = readFileSync(join(import.meta.dirname, 'page-agent.js'));

/** Starts a server for pages that load `/agent.js`. */
export async function serveAgents(answer: Answer): Promise<AgentServer> {
  const agents = new Agents();
  const reply = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://127.0.0.1');
    if (pathname === '/agent/next') return agents.poll(searchParams.get('token') as string, response);
    if (pathname === '/agent/done') {
      agents.done((await json(request)) as Parameters<Agents['done']>[0]);
      response.end();
      return;
    }
    const found =
      pathname === '/agent.js' ? { type: 'text/javascript', body: SCRIPT } : await answer(pathname.slice(1));
    response.writeHead(found ? 200 : 404, { 'content-type': found?.type ?? 'text/plain' });
    response.end(found?.body);
  };
  const server = createServer((request, response) => void reply(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    evaluate: <T>(code: string) => agents.add(code) as Promise<T>,
    forget: () => agents.forget(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
