import { Problem } from './problems.ts';

/** The strong tag of a row's version. */
export const etagOf = (version: number): string => `"${version}"`;

/** Refuses a change that was made from another version of the row. */
export function requireMatch(ifMatch: number | null, version: number): void {
  if (ifMatch !== version)
    throw new Problem(
      'if-match-failed',
      `The resource has changed meanwhile; its ETag is now ${etagOf(version)}`,
      {
        headers: { ETag: etagOf(version) },
      },
    );
}

/** The row moved between reading and writing. */
export const changedMeanwhile = (): Problem =>
  new Problem('if-match-failed', 'The resource has changed meanwhile; read it again');
