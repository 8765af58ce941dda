/**
 * Whether this is `npm run test:exhaustive`: random tests with all their runs, long tests at every step, and
 * tests that show again what faster ones show.
 */
export const EXHAUSTIVE = process.env.EXHAUSTIVE === '1';
