import { amendedContent, decideAmendment, openAmendment } from '../../domain/amending.ts';
import { resolvePostPolicy } from '../../domain/policy.ts';
import type { NewPost } from '../../domain/post-state.ts';
import { hashRevision, type RevisionContent } from '../../domain/revision.ts';

const target = (targetId: string, copy: string | null = null) => ({
  targetId,
  profileId: `p-${targetId}`,
  copy,
});
const content = (copy: string, ...targets: RevisionContent['targets']): RevisionContent => ({
  ...{ type: 'TEXT_ONLY', copy, media: [] },
  targets,
});

test('changes what is named, and leaves the rest as it stands there', () => {
  const first = content('First words', target('a'), { ...target('b', 'For b'), hashtags: ['one'] });
  const edited = content('Other words', target('a'), target('b', 'Edited b'), target('c'));
  const saidBy = new Map([
    ['a', first],
    ['b', first],
  ]);
  expect(amendedContent(edited, saidBy, [{ targetId: 'b', copy: 'Better b' }])).toEqual(
    content(
      'Other words',
      target('a', 'First words'),
      { ...target('b', 'Better b'), hashtags: ['one'] },
      target('c'),
    ),
  );
});

test('keeps a title that is not changed, and the base copy of the same revision', () => {
  const said = content('Words', { ...target('a'), title: 'Before' });
  const saidBy = new Map([['a', said]]);
  expect(amendedContent(said, saidBy, [{ targetId: 'a', title: 'After' }]).targets).toEqual([
    { ...target('a'), title: 'After' },
  ]);
  expect(amendedContent(said, saidBy, [])).toEqual(said);
});

const hashes = hashRevision(content('Better', target('a')));
const post = (layer: object = {}): NewPost => ({
  ...{ tenantId: 't', postId: 'p', type: 'TEXT_ONLY', origin: 'human', policyVersion: 1, dueAtMs: null },
  revision: {
    ...{ revisionId: 'r', number: 2, ...hashes, hasCopy: true, mediaCount: 0 },
    authors: { content: 'ana', design: 'ben', publish: 'ben' },
  },
  policy: resolvePostPolicy([[{ content: layer }]]),
  targets: [
    {
      ...{ targetId: 'a', profileId: 'p-a', platform: 'linkedin', accountKind: 'organization' },
      ...{ type: 'TEXT_ONLY', dueAtMs: null },
    },
  ],
});
const says = (memberId: string, fields: object = {}) => ({
  ...({ kind: 'decide', gate: 'content', verdict: 'approve', notes: null, returnTo: null } as const),
  ...{ commandId: `${memberId} says`, hash: hashes.contentHash, ...fields },
  actor: { memberId, name: memberId, role: 'content_manager' as const },
});

test('passes the content gate by the rules of a post: author, hash, quorum, notes', () => {
  const asked = post({ quorum: 2 });
  const opened = openAmendment(asked, 0);
  expect(opened).toMatchObject({ gate: { status: 'pending', round: 1 }, decisions: [] });
  const refusalOf = (command: ReturnType<typeof says>) => {
    const answer = decideAmendment(asked, opened, command as never, 1);
    return answer.ok ? null : answer.refusal.code;
  };
  expect(refusalOf(says('ana'))).toBe('author-may-not-decide');
  expect(refusalOf(says('ben', { hash: 'f'.repeat(64) }))).toBe('stale-hash');
  expect(refusalOf(says('ben', { verdict: 'reject', notes: ' ' }))).toBe('notes-required');
  const first = decideAmendment(asked, opened, says('ben'), 1);
  if (!first.ok) throw new Error(first.refusal.message);
  expect(first.gate.status).toBe('pending');
  expect(decideAmendment(asked, first, says('ben', { commandId: 'again' }), 2)).toMatchObject({
    refusal: { code: 'already-voted' },
  });
  expect(decideAmendment(asked, first, says('cas'), 2)).toMatchObject({
    gate: { status: 'approved', approvedHash: hashes.contentHash },
    decisions: [{ memberId: 'ben' }, { memberId: 'cas' }],
  });
});

test('is passed by policy where none is required', () => {
  expect(openAmendment(post({ required: false }), 5)).toMatchObject({
    gate: { status: 'approved', decidedBy: 'policy', approvedHash: hashes.contentHash },
    decisions: [{ verdict: 'policy' }],
  });
});
