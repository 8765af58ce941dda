// Diffs for devices that store bfloat16 or int8: npm run -s bench -- grids.

import { runTaskBench } from './common/run-tasks.js';
import { goalsOf, rowsOf } from './grids/result.js';

await runTaskBench({
  bench: 'grids',
  does: 'Measures diffs trained on the grid that a device stores, and diffs that are rounded to it afterwards',
  time: 'about half an hour; --quick 2 minutes',
  unit: new URL('./grids/unit.js', import.meta.url),
  rowsOf,
  goalsOf,
});
