import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The project's root folder, from the sources and from the build alike. */
export const ROOT = ['..', join('..', '..')]
  .map((up) => join(import.meta.dirname, up))
  .find((folder) => existsSync(join(folder, 'package.json'))) as string;
