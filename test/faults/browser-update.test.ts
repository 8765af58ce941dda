import { expect, test } from 'vitest';
import { reloadUpdates, useUpdates } from '../browser/update-session.js';
import { printCounts } from './counts.js';

const session = useUpdates();

test('a page that is reloaded 50 times in the middle of updates has base or next, and gets to next', async () => {
  const found = await reloadUpdates(session, { times: 50, seed: 12 });
  printCounts('pages reloaded during updates', { ...found });
  expect(found.base).toBeGreaterThan(0);
  expect(found.next).toBeGreaterThan(0);
});
