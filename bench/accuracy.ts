// Bytes against accuracy for every kind of diff and for other ways to make updates small: npm run -s bench --
// accuracy.
import { goalsOf } from './accuracy/goals.js';
import { rowsOf } from './accuracy/result.js';
import { runTaskBench } from './common/run-tasks.js';

await runTaskBench({
  bench: 'accuracy',
  does: 'Measures bytes against accuracy of diffs and of other methods',
  time: 'two hours for three seeds on two cores; --all several; --quick 2 minutes a task',
  unit: new URL('./accuracy/unit.js', import.meta.url),
  rowsOf,
  goalsOf,
});
