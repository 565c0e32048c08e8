import {
  findMember,
  findMemberBySubject,
  insertMember,
  type MemberRow,
  setMember,
} from '../../db/members.ts';
import { listProfilesById } from '../../db/profiles.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

export interface MemberInput {
  readonly subject: string;
  readonly name: string;
  readonly email: string | null;
  readonly role: MemberRow['role'];
  readonly profileIds: string[] | null;
}

/** Adds a member. May run twice under one key; a subject has one member. */
export async function addMember(
  context: RequestContext,
  { profileIds, ...input }: MemberInput,
): Promise<MemberRow> {
  await requireProfiles(context, profileIds);
  const memberId = context.newId('member');
  await insertMember(context.database, { ...input, id: memberId, profile_ids: profileIds });
  const member = await findMemberBySubject(context.database, input.subject);
  if (member?.id !== memberId)
    throw new Problem('subject-taken', 'There is a member with this subject already');
  return member;
}

/** Changes a member; the member's next request is judged by it. */
export async function changeMember(
  context: RequestContext,
  memberId: string,
  { profileIds, ...change }: Partial<Omit<MemberInput, 'subject'>> & { readonly active?: boolean },
): Promise<MemberRow> {
  if (!(await findMember(context.database, memberId))) throw notFound('member');
  await requireProfiles(context, profileIds);
  const member = await setMember(context.database, memberId, { ...change, profile_ids: profileIds });
  if (!member) throw notFound('member');
  return member;
}

async function requireProfiles(
  { database }: RequestContext,
  profileIds: readonly string[] | null | undefined,
): Promise<void> {
  if (!profileIds?.length) return;
  const known = (await listProfilesById(database, profileIds)).map((profile) => profile.id);
  const errors = profileIds.flatMap((profileId, index) =>
    known.includes(profileId)
      ? []
      : [{ path: `/profileIds/${index}`, code: 'unknown-profile', message: 'There is no such profile' }],
  );
  if (errors.length > 0) throw new Problem('unknown-profile', errors[0]!.message, { errors });
}
