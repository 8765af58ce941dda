import * as v from 'valibot';
import { NeuralDiffError } from '../model/errors.js';

/**
 * Parses a JSON document.
 *
 * @throws NeuralDiffError `bad-document` with the first unexpected entry
 */
export function parseDocument<T>(
  schema: v.GenericSchema<unknown, T>,
  text: string,
  { name, expected }: { name: string; expected: string },
): T {
  const value = parseJson(text, name);
  // Valibot accepts a list as an object whose entries are all optional.
  if (Array.isArray(value))
    throw new NeuralDiffError(
      'bad-document',
      `Cannot read ${expected} "${name}": expected an object, got a list`,
    );
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue) ?? 'the document';
  const isUnknown = issue.expected === 'never';
  const wanted = isUnknown ? `one of ${entriesAround(schema, issue)}` : (issue.expected ?? 'another value');
  const message = `Cannot read ${expected} "${name}": at ${place}, expected ${wanted}, got ${issue.received}`;
  throw new NeuralDiffError('bad-document', message);
}

/** What schemas of objects, records and optional values have in common. */
interface SchemaNode {
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly value?: SchemaNode;
  readonly wrapped?: SchemaNode;
}

/** @returns the names that an object may have where an issue met an unknown one */
function entriesAround(schema: object, issue: v.BaseIssue<unknown>): string {
  const keys = (issue.path ?? []).slice(0, -1).map(({ key }) => String(key));
  const at = keys.reduce<SchemaNode>((node, key) => {
    const { entries, value } = node.wrapped ?? node;
    return entries?.[key] ?? value ?? {};
  }, schema);
  return Object.keys((at.wrapped ?? at).entries ?? {}).join(', ');
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text, refuseUnread);
  } catch (cause) {
    if (cause instanceof NeuralDiffError) throw cause;
    throw new NeuralDiffError('bad-document', `Cannot read "${name}": expected JSON`, { cause });
  }
}

/**
 * Valibot drops these entries from records, so a gate on a class of such a name would be ignored silently.
 */
const UNREAD: readonly string[] = ['__proto__', 'constructor', 'prototype'];

function refuseUnread(key: string, value: unknown): unknown {
  if (!UNREAD.includes(key)) return value;
  throw new NeuralDiffError('bad-document', `Cannot read document: entry name "${key}" is reserved`);
}
