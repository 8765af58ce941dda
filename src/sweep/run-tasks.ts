/** Some work, and the tasks that it makes possible. */
export type Task = () => Promise<readonly Task[]>;

/**
 * Runs tasks in order, some at once. What a task makes possible comes before the tasks that have not begun: its results
 * are needed soon and can go.
 *
 * @param tasks to begin with
 * @param atOnce at least 1
 * @returns when all are done
 * @throws what the first task to fail threw; no other is begun then, and those that run are waited for
 */
export function runTasks(tasks: readonly Task[], atOnce: number): Promise<void> {
  const queue = [...tasks];
  let running = 0;
  let failed = false;
  let failure: unknown;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      running--;
      begin();
    };
    const begin = (): void => {
      while (running < atOnce && !failed) {
        const task = queue.shift();
        if (task === undefined) break;
        running++;
        task()
          .then((next) => void queue.unshift(...next))
          .catch((error) => {
            if (!failed) failure = error;
            failed = true;
          })
          .then(settle);
      }
      if (running > 0) return;
      if (failed) reject(failure);
      else resolve();
    };
    begin();
  });
}
