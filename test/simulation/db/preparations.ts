import type * as real from '../../../db/preparations.ts';
import { rowsOf } from '../rows.ts';

const keyOf = (targetId: string, revisionId: string): string => `${targetId} ${revisionId}`;

export const findPreparation: typeof real.findPreparation = (database, targetId, revisionId, now) => {
  const rows = rowsOf(database);
  return rows.transact(`looks for what was prepared of ${targetId}`, () => {
    const handle = rows.preparations.get(keyOf(targetId, revisionId));
    return !handle || (handle.expiresAt !== null && new Date(handle.expiresAt) <= now) ? null : handle;
  });
};

export const setPreparation: typeof real.setPreparation = (database, { targetId, revisionId, handle }) => {
  const rows = rowsOf(database);
  return rows.transact(`keeps what was prepared of ${targetId}`, () => {
    rows.preparations.set(keyOf(targetId, revisionId), handle);
  });
};

export const deleteStalePreparations: typeof real.deleteStalePreparations = (
  database,
  targetId,
  revisionId,
) => {
  const rows = rowsOf(database);
  return rows.transact(`drops what was prepared of ${targetId} before`, () => {
    for (const key of rows.preparations.keys())
      if (key.startsWith(`${targetId} `) && key !== keyOf(targetId, revisionId))
        rows.preparations.delete(key);
  });
};
