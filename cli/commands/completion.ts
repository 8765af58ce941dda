import { defineCommand } from '../command.js';
import { completionFor, SHELLS } from '../completion.js';
import { loadCommands } from '../run.js';

export const command = defineCommand({
  group: 'Set up',
  summary: 'Print the completion of commands and flags for a shell',
  details: [
    'The script completes commands, flags, their choices and names of files, where the program is on the ' +
      'path: installed with -g, or node_modules/.bin.',
  ],
  args: {
    shell: { type: 'string', isRequired: true, choices: SHELLS, description: 'Shell to complete in' },
  },
  flags: {},
  examples: [
    { description: 'Complete in bash, from now on', run: 'completion bash >> ~/.bashrc' },
    { description: 'Complete in zsh, after compinit in .zshrc', run: 'completion zsh >> ~/.zshrc' },
    {
      description: 'Complete in fish',
      run: 'completion fish > ~/.config/fish/completions/neural-diff.fish',
    },
  ],
  async handle({ shell, json }, io) {
    const script = completionFor(shell, await loadCommands());
    io.out(json ? `${JSON.stringify({ shell, script })}\n` : script);
  },
});
