import { createHash } from 'node:crypto';

const separator = '\u0000';

/** SHA-256 in hex over parts, none of which can be mistaken for two. */
export const digestOf = (...parts: readonly string[]): string =>
  createHash('sha256')
    .update(parts.map((part) => `${part.length}:${part}`).join(separator))
    .digest('hex');
