import type { Disk } from '../storage/index.js';

/** A disk that holds files, or a database, open: close it. */
export interface BrowserDisk extends Disk {
  close(): Promise<void>;
}
