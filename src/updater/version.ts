/** The package's own version. */
export const LIBRARY_VERSION = '0.1.0';
