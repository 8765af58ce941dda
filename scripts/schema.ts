// Writes the JSON Schema of report documents, docs/report.schema.json, or with --check compares it with what
// would be written.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { REPORT_SCHEMA } from '../src/report/schema.js';

const PATH = join('docs', 'report.schema.json');

const { $schema, ...body } = toJsonSchema(REPORT_SCHEMA);
const schema = {
  $schema,
  title: 'neural-diff report, version 1',
  description:
    'Bytes are bytes, times seconds, shares and accuracies fractions of 1. What was not measured is absent.',
  ...body,
};
const text = `${JSON.stringify(schema, null, 2)}\n`;

if (!process.argv.includes('--check')) writeFileSync(PATH, text);
else if (readFileSync(PATH, 'utf8') === text) process.stdout.write(`${PATH} is as written\n`);
else {
  process.stderr.write(`${PATH} is not what the sources give: run "npm run generate -- schema"\n`);
  process.exitCode = 1;
}
