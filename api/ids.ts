import { digestOf } from '../domain/digest.ts';

/** A UUID as it is written here: in lower case. */
export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A UUID (version 8, "custom") that is the same for the same parts, so that a repeated request makes the same rows. */
export function uuidOf(...parts: readonly string[]): string {
  const hex = digestOf(...parts);
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
