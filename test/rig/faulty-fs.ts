import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kinds of system calls that can be made to fail. */
export const CALL_KINDS = ['open', 'write', 'sync', 'rename', 'remove', 'link'] as const;
export type CallKind = (typeof CALL_KINDS)[number];

/** Functions of `node:fs/promises`, and methods of its files, by the kind of call they make. */
const FUNCTIONS: Readonly<Record<CallKind, readonly string[]>> = {
  open: ['open', 'mkdir'],
  write: ['truncate', 'utimes'],
  sync: [],
  rename: ['rename'],
  remove: ['rm', 'unlink', 'rmdir'],
  link: ['link'],
};
const METHODS: Readonly<Record<CallKind, readonly string[]>> = {
  open: [],
  write: ['write', 'writeFile', 'truncate', 'utimes'],
  sync: ['sync', 'datasync'],
  rename: [],
  remove: [],
  link: [],
};

/** What goes wrong. */
export interface CallFault {
  readonly kind: CallKind;
  /** The first call of the kind that fails, from 0. */
  readonly from: number;
  /** The call behind the last that fails; defaults to one call. */
  readonly to?: number;
  /** Code of the system's error: `EIO`, `ENOSPC`, `EACCES`, `EROFS`. */
  readonly code: string;
  /** Only calls with a path below this folder count; files that are open always do. */
  readonly folder: string;
}

type Patched = Record<string, (...args: unknown[]) => Promise<unknown>>;

/**
 * Runs an operation while some calls of the real file system fail, in this whole process.
 *
 * @returns the number of calls of the kind
 */
export async function withFaultyCalls(fault: CallFault, run: () => Promise<unknown>): Promise<number> {
  const { kind, from, to = from + 1, code, folder } = fault;
  let calls = 0;
  const failing = (original: (...args: unknown[]) => Promise<unknown>, counts: (first: unknown) => boolean) =>
    async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      if (!counts(args[0])) return original.apply(this, args);
      const at = calls++;
      if (at < from || at >= to) return original.apply(this, args);
      const message = `${code}: injected, ${kind} ${at} '${String(args[0]).slice(0, 200)}'`;
      throw Object.assign(new Error(message), { code, syscall: kind });
    };
  const isBelow = (path: unknown): boolean => String(path).startsWith(folder);
  const restore = [
    ...FUNCTIONS[kind].map((name) =>
      patch(fs as unknown as Patched, name, (original) => failing(original, isBelow)),
    ),
    ...METHODS[kind].map((name) => patch(prototype, name, (original) => failing(original, () => true))),
  ];
  syncBuiltinESMExports();
  try {
    await run();
    return calls;
  } finally {
    for (const each of restore) each();
    syncBuiltinESMExports();
  }
}

function patch(
  target: Patched,
  name: string,
  replace: (original: NonNullable<Patched[string]>) => Patched[string],
): () => void {
  const original = target[name] as NonNullable<Patched[string]>;
  target[name] = replace(original) as NonNullable<Patched[string]>;
  return () => {
    target[name] = original;
  };
}

/** What all open files inherit from. */
const prototype = await prototypeOfFiles();

async function prototypeOfFiles(): Promise<Patched> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'neural-diff-handle-'));
  const file = await fs.open(join(folder, 'file'), 'w');
  await file.close();
  await fs.rm(folder, { recursive: true });
  return Object.getPrototypeOf(file);
}
