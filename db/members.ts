import type { Selectable } from 'kysely';
import type { MembersTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';

export type MemberRow = Selectable<MembersTable>;
export type NewMember = Pick<MemberRow, 'id' | 'subject' | 'name' | 'email' | 'role' | 'profile_ids'>;
export type MemberChange = Partial<Pick<MemberRow, 'name' | 'email' | 'role' | 'active' | 'profile_ids'>>;

/** Adds a member; one with the same id or subject is kept as it is, so it may run twice. */
export async function insertMember(database: TenantExecutor, member: NewMember): Promise<void> {
  await database
    .insertInto('members')
    .values(member)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export const findMember = (database: TenantExecutor, id: string): Promise<MemberRow | undefined> =>
  database.selectFrom('members').selectAll().where('id', '=', id).executeTakeFirst();

/** A member who may act now. */
export const findActiveMember = (database: TenantExecutor, id: string): Promise<MemberRow | undefined> =>
  database
    .selectFrom('members')
    .selectAll()
    .where('id', '=', id)
    .where('active', '=', true)
    .executeTakeFirst();

/** The member a token's subject stands for. */
export const findMemberBySubject = (
  database: TenantExecutor,
  subject: string,
): Promise<MemberRow | undefined> =>
  database.selectFrom('members').selectAll().where('subject', '=', subject).executeTakeFirst();

/** Lists members by id, after `afterId`. */
export function listMembers(
  database: TenantExecutor,
  { afterId, limit }: { afterId: string | undefined; limit: number },
): Promise<MemberRow[]> {
  const all = database.selectFrom('members').selectAll().orderBy('id').limit(limit);
  return (afterId ? all.where('id', '>', afterId) : all).execute();
}

/** Everybody who may act now: the candidates for a gate. */
export const listActiveMembers = (database: TenantExecutor): Promise<MemberRow[]> =>
  database.selectFrom('members').selectAll().where('active', '=', true).execute();

export const setMember = (
  database: TenantExecutor,
  id: string,
  change: MemberChange,
): Promise<MemberRow | undefined> =>
  database.updateTable('members').set(change).where('id', '=', id).returningAll().executeTakeFirst();
