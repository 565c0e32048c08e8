import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findOnPath } from '../run-command.ts';
import { StackError } from '../stack-error.ts';
import type { Environment } from '../types.ts';

/** `nobody` on every Linux we know; only its not being root matters. */
const UNPRIVILEGED_ID = 65_534;

/** How to run a program that refuses to run as root. */
export interface RunAs {
  /** The owner its files must have, or null when it runs as us. */
  owner: { uid: number; gid: number } | null;
  /** Turns a command into what is spawned. */
  wrap(
    command: string,
    args: readonly string[],
  ): { command: string; args: string[]; uid?: number; gid?: number };
}

/**
 * As us when we are not root. As an unprivileged user when we are; if that user cannot reach the folders (a checkout
 * below /root is closed to others), it gets the one capability that lets it through, because opening the
 * administrator's home to everybody or moving the data elsewhere would be worse surprises.
 * Throws StackError `state-unusable` when that needs `setpriv` and it is not installed.
 */
export async function chooseRunAs(folders: readonly string[], env: Environment): Promise<RunAs> {
  if (process.getuid?.() !== 0)
    return { owner: null, wrap: (command, args) => ({ command, args: [...args] }) };
  const owner = { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID };
  const closed = await findClosedFolder(folders);
  if (closed === null) return { owner, wrap: (command, args) => ({ command, args: [...args], ...owner }) };
  const setpriv = findOnPath('setpriv', env);
  if (setpriv === null) {
    throw new StackError(
      'state-unusable',
      `PostgreSQL refuses to run as root, and the unprivileged user it would run as cannot enter ${closed}. ` +
        'Run as an ordinary user, move the checkout to a folder others may enter, or install setpriv (util-linux).',
    );
  }
  const switches = [
    `--reuid=${UNPRIVILEGED_ID}`,
    `--regid=${UNPRIVILEGED_ID}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  return {
    owner,
    wrap: (command, args) => ({ command: setpriv, args: [...switches, '--', command, ...args] }),
  };
}

/** The first folder on the way to these that others may not enter, or null. */
async function findClosedFolder(folders: readonly string[]): Promise<string | null> {
  for (const folder of folders) {
    for (let current = folder; ; current = dirname(current)) {
      const { mode } = await stat(current);
      if ((mode & 0o001) === 0) return current;
      if (current === dirname(current)) break;
    }
  }
  return null;
}
