import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';

/** What a test gets. */
interface TestedModel {
  /** Path of the model, which is patched but not yet kept. */
  readonly model: string;
  /** The release's signed inputs and expected outputs: the file's name and content. */
  readonly golden?: { readonly name: string; readonly bytes: Uint8Array } | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs a shell command on a model: `NEURAL_DIFF_MODEL` is the model's path, `NEURAL_DIFF_GOLDEN` that of a
 * temporary copy of the golden inputs, unset where there are none.
 *
 * @throws Error for a command that does not end with status 0
 */
export async function runModelTest(command: string, { model, golden, signal }: TestedModel): Promise<void> {
  const { NEURAL_DIFF_GOLDEN: _, ...env } = process.env;
  const tested = { ...env, NEURAL_DIFF_MODEL: resolvePath(model) };
  if (golden === undefined) return runShell(command, tested, signal);
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-golden-'));
  try {
    const path = join(folder, golden.name);
    await writeFile(path, golden.bytes, { flag: 'wx', mode: 0o600 });
    await runShell(command, { ...tested, NEURAL_DIFF_GOLDEN: path }, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runShell(command: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<void> {
  // A separate process group: the programs that the shell starts end with it.
  const child = spawn(command, { shell: true, stdio: ['ignore', 2, 2], env, detached: true });
  const stop = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGTERM');
    } catch {
      child.kill();
    }
  };
  signal?.addEventListener('abort', stop, { once: true });
  return new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, killed) =>
      status === 0 ? resolve() : reject(new Error(`"${command}" ended with ${status ?? killed}`)),
    );
  }).finally(() => signal?.removeEventListener('abort', stop));
}
