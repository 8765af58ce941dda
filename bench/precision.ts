// Mixed grids for devices, chosen by measurement: npm run -s bench -- precision.

import { runTaskBench } from './common/run-tasks.js';
import { goalsOf, rowsOf } from './precision/result.js';

await runTaskBench({
  bench: 'precision',
  does: 'Measures models whose tensors are each on the coarsest grid that keeps accuracy, next to one grid for all',
  time: 'about 10 minutes once bases are trained; --quick 2 minutes',
  tasks: ['keywords', 'garments', 'intents'],
  unit: new URL('./precision/unit.js', import.meta.url),
  rowsOf,
  goalsOf,
});
