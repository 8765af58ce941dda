/** Runs operations one after another, in the order of the calls. */
export type Queue = <T>(operation: () => Promise<T>) => Promise<T>;

/** @returns a queue with nothing in it */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (operation) => {
    const result = last.then(operation);
    last = result.catch(() => undefined);
    return result;
  };
}
