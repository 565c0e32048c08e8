import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Failpoint } from '../../activities/dependencies.ts';

/** The other end of a worker's `park:FOLDER`: says where posts wait, sees that they do, and lets them go on. */
export interface Parking {
  /** The worker's setting. */
  readonly setting: string;
  readonly assign: (postId: string, place: Failpoint) => Promise<void>;
  readonly isParked: (postId: string) => boolean;
  readonly open: () => Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function createParking(): Promise<Parking> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-parking-'));
  return {
    setting: `park:${folder}`,
    assign: (postId, place) => writeFile(join(folder, postId), place),
    isParked: (postId) => existsSync(join(folder, `${postId}.parked`)),
    open: () => writeFile(join(folder, 'go'), ''),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
