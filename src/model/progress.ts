/** Progress of a long operation; the operation defines what is counted, for example bytes or steps. */
export interface Progress<Phase extends string = string> {
  readonly phase: Phase;
  readonly done: number;
  readonly total: number;
}
