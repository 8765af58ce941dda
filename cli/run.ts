import { readdirSync } from 'node:fs';
import { printable, printableJson } from '../src/model/printable.js';
import { suggest } from '../src/model/suggest.js';
import type { Command } from './command.js';
import { EXIT, stackOf, summarise, UsageError } from './exit-codes.js';
import { commandHelp, type NamedCommand, programHelp } from './help.js';
import { endingLines, Interrupted, type Io } from './io.js';
import { readVersion } from './version.js';

/** Folder of the commands: each is a module of its name, and loaded when it is called. */
const COMMANDS = new URL('./commands/', import.meta.url);

/**
 * Runs one command line.
 *
 * @param args the arguments after the program's name
 * @param given where it writes and how it is stopped
 * @returns the exit status
 */
export async function runCli(args: readonly string[], given: Io): Promise<number> {
  const io = endingLines(given);
  const stall = watchStall();
  try {
    return await Promise.race([run(args, io), stall.stalled]);
  } catch (error) {
    return report(error, { io, args });
  } finally {
    stall.stop();
  }
}

/** Rejects when nothing is left to run while a command still waits; Node.js would end without a word. */
function watchStall(): { stalled: Promise<never>; stop(): void } {
  const { promise, reject } = withReject();
  let rounds = 0;
  const onExit = (): void => {
    const message =
      'stopped while waiting for a promise that nothing is left to settle, such as one of a recipe';
    // What waits for a recipe's data knows more: it goes first.
    setImmediate(() => (rounds++ === 0 ? undefined : reject(new Error(message))));
  };
  process.on('beforeExit', onExit);
  return { stalled: promise, stop: () => void process.off('beforeExit', onExit) };
}

function withReject(): { promise: Promise<never>; reject(error: Error): void } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  return { promise, reject };
}

async function run(args: readonly string[], io: Io): Promise<number> {
  const at = args.findIndex((arg) => !arg.startsWith('-'));
  const name = args[at];
  const asksForHelp = args.includes('--help') || args.includes('-h');
  if (name !== undefined) {
    const command = await loadCommand(name);
    if (!asksForHelp) return command.run([...args.slice(0, at), ...args.slice(at + 1)], io);
    io.out(commandHelp({ ...command, name }));
    return EXIT.done;
  }
  if (args.includes('--version')) io.out(`${readVersion()}\n`);
  else if (asksForHelp) io.out(programHelp(await loadCommands()));
  else throw new UsageError('Expected a command');
  return EXIT.done;
}

/** @returns every command, by name */
export function loadCommands(): Promise<NamedCommand[]> {
  return Promise.all(commandNames().map(async (name) => ({ ...(await loadCommand(name)), name })));
}

async function loadCommand(name: string): Promise<Command> {
  const names = commandNames();
  if (!names.includes(name)) throw new UsageError(`Unknown command "${name}"${suggest(name, names)}`);
  const module: { command: Command } = await import(new URL(`${name}.js`, COMMANDS).href);
  return module.command;
}

function commandNames(): string[] {
  const files = readdirSync(COMMANDS).filter((file) => file.endsWith('.js'));
  return files.map((file) => file.slice(0, -'.js'.length)).sort();
}

/** Says what went wrong, in words on stderr and, on request, as JSON on stdout. */
function report(error: unknown, { io, args }: { io: Io; args: readonly string[] }): number {
  const { code, status, message, facts } = classify(error, io.signal, helpFor(args));
  if (args.includes('--json')) io.out(`${printableJson({ error: { code, message, ...facts } })}\n`);
  io.err(`neural-diff: ${printable(message)}\n`);
  if (code === 'internal' || args.includes('--verbose'))
    for (const line of stackOf(error)) io.err(`${printable(line)}\n`);
  return status;
}

/** @returns the command line that prints the help of a command line */
function helpFor(args: readonly string[]): string {
  const name = args.find((arg) => !arg.startsWith('-'));
  const isKnown = name !== undefined && commandNames().includes(name);
  return isKnown ? `neural-diff ${name} --help` : 'neural-diff --help';
}

function classify(error: unknown, signal: AbortSignal, help: string) {
  const isAbort = error === signal.reason || (error as Error | undefined)?.name === 'AbortError';
  if (signal.aborted && isAbort) {
    const message = error instanceof Interrupted ? error.message : 'interrupted; nothing was written';
    return { code: 'interrupted', status: EXIT.interrupted, message, facts: {} };
  }
  const summary = summarise(error);
  const { code, message } = summary;
  if (code === 'usage') return { ...summary, message: `${message}. See ${help}` };
  return code === 'internal' ? summary : { ...summary, message: `${message} (${code})` };
}
