// Bytes against accuracy for every kind of diff and for other ways to make updates small: npm run -s bench --
// accuracy.
import { goalsOf, rowsOf } from './accuracy/result.js';
import { runTaskBench } from './common/run-tasks.js';

await runTaskBench({
  bench: 'accuracy',
  does: 'Measures bytes against accuracy of diffs and of other methods',
  time: 'an hour and a half to two hours on two cores; --quick 3 minutes',
  unit: new URL('./accuracy/unit.js', import.meta.url),
  rowsOf,
  goalsOf,
});
