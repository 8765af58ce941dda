import { readFile, readlink } from 'node:fs/promises';

/** Who holds a lock. */
export interface Holder {
  readonly pid: number;
  /** Name of the machine's present run; empty where the system gives none. */
  readonly boot: string;
  /** When the system started the process, in ticks of its own since its start; empty where it does not say. */
  readonly ticks: string;
  /** The namespace that numbers the process, as containers have their own; empty where the system has none. */
  readonly space: string;
}

/** @param knowsStarts false: as on a system that names neither its runs nor when processes were started */
export async function thisProcess(knowsStarts = true): Promise<Holder> {
  const boot = knowsStarts ? await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '') : '';
  const ticks = knowsStarts ? ((await ticksOf(process.pid)) ?? '') : '';
  const space = knowsStarts ? await readlink('/proc/self/ns/pid').catch(() => '') : '';
  return { pid: process.pid, boot: boot.trim(), ticks, space };
}

/** @returns whether a holder has certainly ended: in another run of the machine, or since nobody has its number */
export function isGone({ pid, boot, space }: Holder, self: Holder): boolean {
  if (boot !== self.boot) return true;
  // What has its number here is another process.
  if (space !== self.space) return false;
  return !isRunning(pid);
}

/** @returns whether there is a process of a number, of whoever it is */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @returns whether the process that has a holder's number now is the holder; undefined where the system does not say */
export async function isSameProcess(holder: Holder, self: Holder): Promise<boolean | undefined> {
  if (!holder.ticks || !self.ticks || holder.space !== self.space) return undefined;
  const ticks = await ticksOf(holder.pid);
  return ticks === undefined ? undefined : ticks === holder.ticks;
}

/**
 * Field 22 of `/proc/PID/stat` (proc(5)); the name of the program, the second one, may have any bytes in it. One that has ended keeps its
 * number until whoever started it asks, which some never do: the third field says so.
 */
async function ticksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return /^[ZXx]/.test(fields[0] as string) ? 'ended' : fields[19];
}
