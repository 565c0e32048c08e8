import { fileURLToPath } from 'node:url';

/** Where clients, workers and the bundler find what encrypts the messages of failures. */
export const failureConverterPath = fileURLToPath(
  new URL('../workflows/failure-converter.cjs', import.meta.url),
);
