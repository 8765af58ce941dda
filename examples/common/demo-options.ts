/** Flags that all demos take. */
export const DEMO_OPTIONS = {
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', short: 'q', default: false },
  data: { type: 'string' },
  keep: { type: 'string' },
  seed: { type: 'string', default: '1' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Exit status of a program whose data or model are not to be had. */
export const USAGE = 2;
