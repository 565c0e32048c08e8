import type { Role } from '../domain/post.ts';
import type { ServedApi } from './api.ts';
import { accepted, createSender, type Sender } from './http.ts';

/** Somebody who uses the interface over HTTP, and in no other way. */
export interface Person {
  readonly memberId: string;
  readonly name: string;
  readonly role: Role;
  readonly token: string;
  /** Calls the interface as this person: `send('GET', '/posts')`. Every status is an answer, none is thrown. */
  readonly send: Sender;
}

/** The people of the tenant: every role, and two who may approve, because nobody approves their own work. */
export interface People {
  /** A super admin, who names the tenant in every call. */
  readonly root: Person;
  /** A tenant admin. */
  readonly admin: Person;
  /** A content manager; writes unless somebody else is named. */
  readonly author: Person;
  /** Another content manager; approves unless somebody else is named. */
  readonly reviewer: Person;
  readonly designer: Person;
  readonly viewer: Person;
  /** One more member, for quorums and for people who may see some profiles only. */
  readonly add: (
    name: string,
    role: Exclude<Role, 'super_admin'>,
    options?: MemberOptions,
  ) => Promise<Person>;
}

export interface MemberOptions {
  /** The profiles the member is limited to (default: all). */
  readonly profileIds?: readonly string[];
}

/** Creates a tenant with its people, through the interface. */
export async function createTenant(api: ServedApi): Promise<{ tenantId: string; people: People }> {
  const token = await api.signToken({ subject: 'root', role: 'super_admin' });
  const anywhere = createSender({ apiUrl: api.url, token });
  const created = accepted(await anywhere('POST', '/tenants', { body: { name: 'Test' } }));
  const tenantId: string = created.body.id;
  const root: Person = {
    ...{ name: 'root', role: 'super_admin', token },
    send: createSender({ apiUrl: api.url, token, tenantHeader: tenantId }),
    memberId: '',
  };
  const add: People['add'] = async (name, role, options = {}) => {
    const body = { subject: name, name, role, ...options };
    const member = accepted(await root.send('POST', '/members', { body }));
    const memberToken = await api.signToken({ subject: name, role, tenantId });
    return {
      ...{ name, role, token: memberToken },
      send: createSender({ apiUrl: api.url, token: memberToken }),
      memberId: member.body.id,
    };
  };
  const [admin, author, reviewer, designer, viewer] = await Promise.all([
    add('admin', 'tenant_admin'),
    add('author', 'content_manager'),
    add('reviewer', 'content_manager'),
    add('designer', 'graphic_designer'),
    add('viewer', 'viewer'),
  ]);
  const me = accepted(await root.send('GET', '/me'));
  return {
    tenantId,
    people: { root: { ...root, memberId: me.body.memberId }, admin, author, reviewer, designer, viewer, add },
  };
}
