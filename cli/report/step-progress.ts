import type { Progress } from '../../src/model/progress.js';
import type { CommonFlags, Io } from '../io.js';
import { printable } from './table.js';

/** Shows on stderr which step of measuring runs: one line redrawn on a terminal, a line a step in a log. */
export class StepProgress {
  readonly #io: Io;
  readonly #isQuiet: boolean;
  #lastStep = -1;

  constructor(io: Io, flags: CommonFlags) {
    this.#io = io;
    this.#isQuiet = flags.quiet;
  }

  /** Takes a report; fits callbacks of the library. */
  readonly report = ({ phase: doing, done, total }: Progress): void => {
    if (this.#isQuiet) return;
    if (!this.#io.isTerminal && done === this.#lastStep) return;
    this.#lastStep = done;
    const line = `${Math.min(done + 1, total)}/${total}  ${printable(doing)}`;
    this.#io.err(this.#io.isTerminal ? `\r\u001b[2K${line}` : `${line}\n`);
  };

  /** Leaves the terminal's line to others. */
  finish(): void {
    if (!this.#isQuiet && this.#io.isTerminal) this.#io.err('\r\u001b[2K');
  }
}
