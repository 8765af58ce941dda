// Prints the most memory that a process took, in kB, as the last line on stderr: node --import print-peak.mjs …
import { readFileSync, writeSync } from 'node:fs';

/** On Linux the usage that the system reports begins with that of the process which started this one. */
function peakKilobytes() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS;
  return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

process.on('exit', () => writeSync(2, `${peakKilobytes()}\n`));
