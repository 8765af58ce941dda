import type { PickedFile } from './jobs.js';

/** How long an address of a file stays valid for its download, in milliseconds. */
const VALID_MS = 60_000;

/** Offers files as downloads, one after the other. */
export function saveFiles(files: readonly PickedFile[]): void {
  for (const { path, blob } of files) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = path.slice(path.lastIndexOf('/') + 1);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), VALID_MS);
  }
}
