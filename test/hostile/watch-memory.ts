/** Looks at the memory whenever the thread yields. @returns a function that gives the largest growth */
export function watchMemory(): () => number {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 5);
  return () => {
    clearInterval(timer);
    return most;
  };
}
