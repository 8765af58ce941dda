/** Which weights to train: patterns of tensor names, in which `*` stands for any characters. */
export interface Selection {
  /** Trains only weights that one of these matches; all by default. */
  readonly only?: readonly string[] | undefined;
  /** Keeps weights that one of these matches as they are; none by default. */
  readonly freeze?: readonly string[] | undefined;
}

/**
 * Selects the weights to train.
 *
 * @param names of all trainable weights
 * @throws RangeError for a pattern that matches none of them, and if none is left
 */
export function selectNames(names: readonly string[], { only, freeze = [] }: Selection): Set<string> {
  const chosen = only === undefined ? names : matching('only', only, names);
  const frozen = new Set(matching('freeze', freeze, names));
  const left = new Set(chosen.filter((name) => !frozen.has(name)));
  if (left.size > 0 || names.length === 0) return left;
  throw new RangeError('Cannot train: "only" and "freeze" leave no weights to train');
}

function matching(option: string, patterns: readonly string[], names: readonly string[]): string[] {
  const tests = patterns.map((pattern) => {
    const test = asRegExp(pattern);
    if (names.some((name) => test.test(name))) return test;
    const some = names.slice(0, 5).map((name) => `"${name}"`);
    const message = `Cannot use ${option} "${pattern}": expected a pattern of names such as ${some.join(', ')}`;
    throw new RangeError(message);
  });
  return names.filter((name) => tests.some((test) => test.test(name)));
}

function asRegExp(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`, 'u');
}
