// Runs a demo by its name: npm run demo -- NAME [flags]. Without a name it is the keyword spotter.

import { runNamed } from './run-named.js';

const programs = {
  keywords: 'examples/keyword-spotting/demo.js',
  'any-model': 'examples/fine-tune-any-model/demo.js',
  garments: 'examples/garment-images/demo.js',
  intents: 'examples/intents/demo.js',
  emoji: 'examples/emoji-pictures/demo.js',
  email: 'examples/mail-folders/demo.js',
  speech: 'examples/published-speech/demo.js',
  pictures: 'examples/published-pictures/demo.js',
  ocr: 'examples/published-ocr/demo.js',
  updates: 'examples/device-server/demo.js',
  browser: 'examples/device-server/main.js',
  streaming: 'examples/streaming-keywords/demo.js',
  report: 'bench/reports/report.js',
  gallery: 'bench/reports/gallery.js',
};

await runNamed({ script: 'demo', programs, defaultName: 'keywords' });
