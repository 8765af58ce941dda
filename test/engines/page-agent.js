// Runs in a page or a worker: evaluates what the test asks for, one expression at a time.
(async () => {
  // Firefox, after it was killed, opens a hidden tab with what the last run showed.
  if (self.document?.visibilityState === 'hidden') return;
  const token = Math.random();
  for (;;) {
    const response = await fetch(`/agent/next?token=${token}`);
    const { id, code } = await response.json();
    let reply;
    try {
      // biome-ignore lint/security/noGlobalEval: this is what an agent is for
      reply = { id, value: await eval(code) };
    } catch (error) {
      reply = { id, error: `${error}\n${error?.stack}` };
    }
    await fetch('/agent/done', { method: 'POST', body: JSON.stringify(reply) });
  }
})();
