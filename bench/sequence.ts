// Consecutive updates, each trained from what the device has: npm run -s bench -- sequence.
import { runTaskBench } from './common/run-tasks.js';
import { goalsOf, rowsOf } from './sequence/result.js';

await runTaskBench({
  bench: 'sequence',
  does: 'Measures consecutive updates: accuracy on everything so far and on the data of the base',
  time: 'half an hour a seed on two cores; --quick 5 minutes',
  unit: new URL('./sequence/unit.js', import.meta.url),
  rowsOf,
  goalsOf,
});
