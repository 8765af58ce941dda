// A TUF client with the command line of the community's conformance tests: `tuf-client --metadata-dir DIR
// --metadata-url URL refresh`.

import { runClient } from './client.js';

process.exitCode = await runClient(process.argv.slice(2), {
  now: () => new Date(),
  log: (text) => void process.stderr.write(`${text}\n`),
});
