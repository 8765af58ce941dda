/** A clock that stands still. */
export interface TestClock {
  /** To be handed over where a clock is asked for. */
  readonly now: () => Date;
  /** Moves on, or back for less than 0. */
  pass(milliseconds: number): void;
}

/** @param start what it shows at first */
export function createClock(start: Date): TestClock {
  let time = start.getTime();
  return {
    now: () => new Date(time),
    pass(milliseconds) {
      time += milliseconds;
    },
  };
}
