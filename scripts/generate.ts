// Writes files that are made from the sources: npm run generate -- NAME. With --check it compares them
// instead.

import { runNamed } from './run-named.js';

const names = ['schema', 'assembly', 'golden', 'cli-docs', 'chart'];

await runNamed({
  script: 'generate',
  programs: Object.fromEntries(names.map((name) => [name, `scripts/${name}.js`])),
});
