import { createKeyPair, KEY_FILES, writeKeyPair } from '../../src/publish/keys.js';
import { defineCommand } from '../command.js';
import { printResult, remark } from '../io.js';

export const command = defineCommand({
  group: 'Publish releases',
  summary: 'Make a key pair that signs releases',
  details: [
    'Writes PATH.key.json, the private half, readable by its owner only, and PATH.pub.json, the ' +
      'public half for devices and repositories. Existing files are never replaced.',
  ],
  args: { action: { type: 'string', isRequired: true, choices: ['generate'], description: 'What to do' } },
  flags: {
    out: {
      type: 'string',
      placeholder: 'path',
      short: 'o',
      isRequired: true,
      description: 'Path without an ending',
    },
  },
  examples: [
    {
      description: 'Make keys/targets.key.json and keys/targets.pub.json',
      run: 'keys generate -o keys/targets',
    },
  ],
  async handle(flags, io) {
    const pair = await createKeyPair();
    await writeKeyPair(flags.out, pair);
    const [privateFile, publicFile] = [flags.out + KEY_FILES.private, flags.out + KEY_FILES.public];
    const { keyid, publicKey } = pair;
    printResult(io, flags, {
      json: { keyid, public: publicKey.keyval.public, privateFile, publicFile },
      lines: [`key      ${keyid}`, `public   ${publicFile}`, `private  ${privateFile}`],
    });
    remark(io, flags, `keep ${privateFile} secret: everyone who has it can sign`);
  },
});
