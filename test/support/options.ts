import { InvalidArgumentError } from 'commander';

/** An option that counts something, or names one of many. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('must be a whole number above 0');
  return number;
}
