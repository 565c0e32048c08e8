import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Failpoint, failpoints } from '../../activities/dependencies.ts';

/** Told of every place that an attempt for a post passes. */
export type FailpointHook = (name: Failpoint, postId: string) => Promise<void>;

/**
 * What a crash test does to this very process. `sending` kills it when it first passes that place, `armed:2` the second
 * time. `park:FOLDER` kills nothing: the file FOLDER/{postId} names the place where the attempts for that post wait,
 * FOLDER/{postId}.parked is written when one does, and all go on once FOLDER/go is there. So one kill from outside meets
 * many posts, each where it is wanted. Throws when the setting names no place.
 */
export function failpointOf(setting: string | undefined): FailpointHook | undefined {
  if (!setting) return undefined;
  const [wanted, ...rest] = setting.split(':');
  const detail = rest.join(':');
  if (wanted === 'park' && detail) return parkIn(detail);
  const name = failpoints.find((known) => known === wanted);
  const nth = Number(detail || 1);
  if (!name || !(nth >= 1))
    throw new Error(
      `GATEPOST_FAILPOINT names no place: it is one of ${failpoints.join(', ')}, or park:FOLDER`,
    );
  return killAt(name, nth);
}

function killAt(wanted: Failpoint, nth: number): FailpointHook {
  let passed = 0;
  return async (name) => {
    if (name !== wanted) return;
    passed += 1;
    if (passed === nth) process.kill(process.pid, 'SIGKILL');
  };
}

function parkIn(folder: string): FailpointHook {
  let opened: Promise<void> | undefined;
  return async (name, postId) => {
    if ((await wantedPlace(join(folder, postId))) !== name) return;
    await writeFile(join(folder, `${postId}.parked`), name);
    opened ??= untilThere(join(folder, 'go'));
    await opened;
  };
}

/** Where the post's attempts are to wait; most posts have no such file. */
async function wantedPlace(path: string): Promise<string | null> {
  return existsSync(path) ? readFile(path, 'utf8') : null;
}

async function untilThere(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(20);
}
