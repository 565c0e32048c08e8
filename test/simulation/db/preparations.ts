import type * as real from '../../../db/preparations.ts';
import { rowsOf } from '../rows.ts';

type Key = Parameters<typeof real.findPreparation>[1];
const keyOf = ({ targetId, revisionId }: Key): string => `${targetId} ${revisionId}`;

export const findPreparation: typeof real.findPreparation = (database, key, now) => {
  const rows = rowsOf(database);
  return rows.transact(`looks for what was prepared of ${key.targetId}`, () => {
    const handle = rows.preparations.get(keyOf(key));
    return !handle || (handle.expiresAt !== null && new Date(handle.expiresAt) <= now) ? null : handle;
  });
};

export const setPreparation: typeof real.setPreparation = (database, key, { handle }) => {
  const rows = rowsOf(database);
  return rows.transact(`keeps what was prepared of ${key.targetId}`, () => {
    rows.preparations.set(keyOf(key), handle);
  });
};

/** The platforms of a simulation are given pictures alone: nothing is uploaded in parts, and no handle has a secret. */
export const findUploadProgress: typeof real.findUploadProgress = async () => null;
export const findPreparationSecret: typeof real.findPreparationSecret = async () => null;
export const setUploadProgress: typeof real.setUploadProgress = async () => {
  throw new Error('No upload of a simulation is cut off');
};

export const deleteStalePreparations: typeof real.deleteStalePreparations = (database, key) => {
  const rows = rowsOf(database);
  return rows.transact(`drops what was prepared of ${key.targetId} before`, () => {
    for (const known of rows.preparations.keys())
      if (known.startsWith(`${key.targetId} `) && known !== keyOf(key)) rows.preparations.delete(known);
  });
};
