import { readFile } from 'node:fs/promises';

/** Who holds a lock. */
export interface Holder {
  readonly pid: number;
  /** Name of the machine's present run; empty where the system gives none. */
  readonly boot: string;
  /** When the system started the process, in ticks of its own since its start; empty where it does not say. */
  readonly ticks: string;
}

/** @param knowsStarts false: as on a system that names neither its runs nor when processes were started */
export async function thisProcess(knowsStarts = true): Promise<Holder> {
  const boot = knowsStarts ? await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '') : '';
  const ticks = knowsStarts ? ((await ticksOf(process.pid)) ?? '') : '';
  return { pid: process.pid, boot: boot.trim(), ticks };
}

/** @returns whether a holder has certainly ended: in another run of the machine, or since nobody has its number */
export function isGone({ pid, boot }: Holder, self: Holder): boolean {
  if (boot !== self.boot) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** @returns whether the process that has a holder's number now is the holder; undefined where the system does not say */
export async function isSameProcess(holder: Holder, self: Holder): Promise<boolean | undefined> {
  if (!holder.ticks || !self.ticks) return undefined;
  const ticks = await ticksOf(holder.pid);
  return ticks === undefined ? undefined : ticks === holder.ticks;
}

/** Field 22 of `/proc/PID/stat` (proc(5)); the name of the program, the second one, may have any bytes in it. */
async function ticksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}
