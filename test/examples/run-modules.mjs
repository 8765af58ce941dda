// Runs modules one after the other, each in its own folder, and sends its parent what failed.
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';

const failures = [];
for (const path of process.argv.slice(2)) {
  process.chdir(dirname(path));
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    failures.push(`${path}: ${error.stack ?? error}`);
  }
}
process.send(failures, () => process.exit());
