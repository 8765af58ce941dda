import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** What a command of the package looks like, as far as it is read here. */
interface CommandSpec {
  readonly description?: unknown;
  readonly subcommands?: readonly CommandSpec[];
  readonly options?: readonly CommandSpec[];
}

/** A request in words, and the service that it is for. */
export interface Request {
  readonly text: string;
  readonly service: string;
}

/** Words that a sentence needs for people to tell what it is about. */
const LEAST_WORDS = 5;

/**
 * Reads what the AWS command line can be asked for, from the command descriptions of the package
 * `@withfig/autocomplete`: the first sentence of each. Sentences that several of the services have are left
 * out.
 *
 * @param services names of its commands, such as `ec2`
 * @returns every sentence once, in lower case, service by service
 */
export async function readRequests(services: readonly string[]): Promise<Request[]> {
  const entry = pathToFileURL(createRequire(import.meta.url).resolve('@withfig/autocomplete'));
  const known = new Map<string, Set<string>>();
  for (const service of services) {
    const { default: spec } = await import(new URL(`./aws/${service}.js`, entry).href);
    for (const text of descriptionsOf(spec as CommandSpec)) {
      known.set(text, (known.get(text) ?? new Set()).add(service));
    }
  }
  return [...known].flatMap(([text, owners]) => {
    return owners.size === 1 ? [{ text, service: [...owners][0] as string }] : [];
  });
}

function descriptionsOf({ description, subcommands = [], options = [] }: CommandSpec): string[] {
  const own = typeof description === 'string' ? [firstSentence(description)] : [];
  const others = [...subcommands, ...options].flatMap(descriptionsOf);
  return [...own.filter((text) => text.split(' ').length >= LEAST_WORDS), ...others];
}

function firstSentence(text: string): string {
  const [sentence = ''] = text.split(/(?<=[.!?])\s|\n/);
  return sentence.trim().replace(/\.$/, '').toLowerCase();
}
