// Runs command lines one after another in one process: each is sent by the parent and answered with its
// outcome.

const [main] = process.argv.slice(2);
const node = process.argv[0];
const streams = { stdout: process.stdout, stderr: process.stderr };
const text = { stdout: '', stderr: '' };

/** Keeps what is written; the program sends what recipes print elsewhere, so each run starts with it. */
function captureStreams() {
  for (const [name, stream] of Object.entries(streams)) {
    stream.write = (chunk, ...others) => {
      text[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      others.find((each) => typeof each === 'function')?.();
      return true;
    };
  }
}

let count = 0;
process.on('message', async (args) => {
  captureStreams();
  Object.assign(text, { stdout: '', stderr: '' });
  process.argv = [node, main, ...args];
  process.exitCode = undefined;
  const listeners = ['SIGINT', 'SIGTERM'].map((signal) => [signal, process.listeners(signal)]);
  // The query makes the program run again; the modules that it imports stay loaded.
  await import(`${main}?run=${count++}`);
  for (const [signal, before] of listeners) {
    for (const each of process.listeners(signal)) if (!before.includes(each)) process.off(signal, each);
  }
  process.send({ status: process.exitCode ?? 0, ...text });
});

const { exit } = process;
process.on('disconnect', () => exit());
// The program ends its process after a failure; this one has more to run.
process.exit = () => {};
