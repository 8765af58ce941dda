// What an engine without a host lacks, and the updater needs: timers, and controllers that cancel. An update
// from memory waits for nothing and cancels nothing.
globalThis.setTimeout ??= (run, ms = 0) => {
  if (ms === 0) Promise.resolve().then(run);
  return 0;
};
globalThis.clearTimeout ??= () => undefined;
globalThis.setInterval ??= () => 0;
globalThis.clearInterval ??= () => undefined;
globalThis.AbortController ??= class {
  signal = { aborted: false, addEventListener() {}, removeEventListener() {} };
  abort() {
    this.signal.aborted = true;
  }
};
// Hermes has these since 2023.
for (const { prototype } of [Array, Object.getPrototypeOf(Int8Array)])
  if (!prototype.at)
    Object.defineProperty(prototype, 'at', {
      value(at) {
        return this[at < 0 ? this.length + at : at];
      },
    });
