import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Proof } from './prove.js';

/** Programs and cases, as files of a folder, that engines run. */
export interface Material {
  /** `prove.js` (a module that imports nothing), `all.json`, `small.json`, and what engines add. */
  readonly folder: string;
}

/** Something that runs the package. */
export interface Engine {
  readonly name: string;
  /** What must be there; without it the engine is skipped, and the test says so. */
  readonly needs: readonly string[];
  /** Where something is taken from the engine, or added to it: what, for the table. */
  readonly note?: string;
  run(material: Material): Promise<Proof>;
}

/** Packages that `npm run test:engines` installs. */
const PACKAGES = join(import.meta.dirname, 'packages', 'node_modules');

/** @returns the path of a file in one of the packages */
export const packaged = (path: string): string => join(PACKAGES, path);

/** @returns what of an engine's needs is not there */
export const missing = ({ needs }: Engine): string[] => needs.filter((path) => !existsSync(path));
