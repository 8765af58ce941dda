import type { Io } from '../../cli/io.js';

/** @returns an `Io` whose clock moves only when the test moves it, and the text written to stderr */
export function clockedIo(isTerminal: boolean): { clock: { now: number; text: string }; io: Io } {
  const clock = { now: 0, text: '' };
  const io: Io = {
    out: () => {},
    err: (text) => {
      clock.text += text;
    },
    isTerminal,
    signal: new AbortController().signal,
    now: () => clock.now,
  };
  return { clock, io };
}
