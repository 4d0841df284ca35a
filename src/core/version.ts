/** Of the program; the same as in package.json, which a function's bundle does not have (tests/documents.test.ts). */
export const VERSION = '0.1.0';
