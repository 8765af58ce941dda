/** The database that page and worker share. */
export const DATABASE = 'neural-diff-example';
