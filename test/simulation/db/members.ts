import type * as real from '../../../db/members.ts';
import { rowsOf } from '../rows.ts';

export const findActiveMember: typeof real.findActiveMember = (database, id) => {
  const rows = rowsOf(database);
  return rows.transact(`looks for the member ${id}`, () => {
    const member = rows.members.get(id);
    return member && ({ id, role: member.role, name: member.name, profile_ids: null } as never);
  });
};
