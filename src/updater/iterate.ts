/** Where engines lack the symbol, programs compiled by Babel use this name. */
export const ASYNC_ITERATOR: typeof Symbol.asyncIterator =
  Symbol.asyncIterator ?? ('@@asyncIterator' as never);

/**
 * Makes an iterator by hand, since Hermes compiles no async generators.
 *
 * @param next gives the next value; undefined after the last one
 * @param end called once: after the last value, an error, or an early end of the iteration
 */
export function iterate<T>(
  next: () => Promise<T | undefined>,
  end: () => Promise<void> = async () => undefined,
): AsyncIterableIterator<T> {
  let isOver = false;
  const finish = async (): Promise<IteratorReturnResult<undefined>> => {
    const wasOver = isOver;
    isOver = true;
    if (!wasOver) await end();
    return { done: true, value: undefined };
  };
  return {
    async next() {
      if (isOver) return finish();
      try {
        const value = await next();
        return value === undefined ? finish() : { done: false, value };
      } catch (error) {
        await finish();
        throw error;
      }
    },
    return: finish,
    [ASYNC_ITERATOR]() {
      return this;
    },
  };
}
