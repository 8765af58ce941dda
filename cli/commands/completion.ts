import { defineCommand } from '../command.js';
import { completionFor, SHELLS } from '../completion.js';
import { loadCommands } from '../run.js';

export const command = defineCommand({
  group: 'Set up',
  summary: 'Print a shell completion script',
  details: [
    'The script completes commands, flags, their choices and file names. It needs the program on the PATH: ' +
      'install it with -g, or add node_modules/.bin.',
  ],
  args: {
    shell: { type: 'string', isRequired: true, choices: SHELLS, description: 'Target shell' },
  },
  flags: {},
  examples: [
    { description: 'Enable completion in bash', run: 'completion bash >> ~/.bashrc' },
    { description: 'Enable completion in zsh, after compinit in .zshrc', run: 'completion zsh >> ~/.zshrc' },
    {
      description: 'Enable completion in fish',
      run: 'completion fish > ~/.config/fish/completions/neural-diff.fish',
    },
  ],
  async handle({ shell, json }, io) {
    const script = completionFor(shell, await loadCommands());
    io.out(json ? `${JSON.stringify({ shell, script })}\n` : script);
  },
});
