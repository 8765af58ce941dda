/** How far long work has come; what is counted, bytes or steps, is the work's own. */
export interface Progress<Phase extends string = string> {
  readonly phase: Phase;
  readonly done: number;
  readonly total: number;
}
