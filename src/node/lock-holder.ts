import { readFile, readlink } from 'node:fs/promises';

/** The process that holds a lock. */
export interface Holder {
  readonly pid: number;
  /** ID of the machine's boot; empty if unknown. */
  readonly boot: string;
  /** Start time of the process in clock ticks since boot; empty if unknown. */
  readonly ticks: string;
  /** The process's PID namespace, which differs between containers; empty if unknown. */
  readonly space: string;
}

/** Largest process ID: a positive 32-bit integer. */
const MAX_PID = 2 ** 31 - 1;

/** Start of each holder as JSON. */
const START = '{"pid":';

/**
 * Reads the content of a lock file.
 *
 * @returns `unfinished` for the content of one that was not completely written: nothing, zeros, a part of a
 *   holder; `foreign` for any other
 */
export function parseHolder(text: string): Holder | 'unfinished' | 'foreign' {
  if (/^\0*$/.test(text)) return 'unfinished';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.startsWith(START) || START.startsWith(text) ? 'unfinished' : 'foreign';
  }
  const { pid, boot = '', ticks = '', space = '' } = (value ?? {}) as Record<string, unknown>;
  const isPid = Number.isSafeInteger(pid) && (pid as number) > 0 && (pid as number) <= MAX_PID;
  const isText = typeof boot === 'string' && typeof ticks === 'string' && typeof space === 'string';
  return isPid && isText ? { pid: pid as number, boot, ticks, space } : 'foreign';
}

/** @param knowsStarts false to behave as on a system without boot IDs and start times of processes */
export async function thisProcess(knowsStarts = true): Promise<Holder> {
  const boot = knowsStarts ? await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '') : '';
  const ticks = knowsStarts ? ((await ticksOf(process.pid)) ?? '') : '';
  const space = knowsStarts ? await readlink('/proc/self/ns/pid').catch(() => '') : '';
  return { pid: process.pid, boot: boot.trim(), ticks, space };
}

/** @returns whether a holder has certainly ended: the machine was restarted or no process has its ID */
export function isGone({ pid, boot, space }: Holder, self: Holder): boolean {
  if (boot !== self.boot) return true;
  // In another namespace the ID belongs to another process.
  if (space !== self.space) return false;
  return !isRunning(pid);
}

/** @returns whether a process with an ID exists, of any user */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @returns whether the process with a holder's ID is the holder; undefined if unknown */
export async function isSameProcess(holder: Holder, self: Holder): Promise<boolean | undefined> {
  if (!holder.ticks || !self.ticks || holder.space !== self.space) return undefined;
  const ticks = await ticksOf(holder.pid);
  return ticks === undefined ? undefined : ticks === holder.ticks;
}

/**
 * Reads the start time, field 22 of `/proc/PID/stat` (proc(5)). Field 2, the program's name, may contain any
 * bytes. An ended process keeps its ID until its parent waits for it (a zombie), which field 3 shows.
 */
async function ticksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return /^[ZXx]/.test(fields[0] as string) ? 'ended' : fields[19];
}
