import { type Command, commandKinds, type RefusalCode, refusalCodes } from '../../domain/commands.ts';
import { evaluate, isHeldForLateness } from '../../domain/lifecycle.ts';
import { type Gate, gates } from '../../domain/post.ts';
import {
  type PostState,
  type RevisionRef,
  rememberedCommands,
  type TargetPhase,
} from '../../domain/post-state.ts';
import { openPost } from '../../domain/reducer.ts';
import {
  actor,
  apply,
  approve,
  approved,
  archive,
  author,
  cancel,
  deepFreeze,
  dueAt,
  edit,
  hour,
  isReadyButForTime,
  now,
  pause,
  pending,
  policy,
  postState,
  publishNow,
  readyState,
  refusalOf,
  reject,
  rejected,
  resolve,
  resume,
  retry,
  revisionRef,
  schedule,
  second,
  stateAfter,
  submit,
  target,
  third,
  withApproved,
  withdraw,
} from './builders.ts';

const open = (state: PostState, nowMs = now) => openPost(deepFreeze(state), author, nowMs);
const text = { type: 'TEXT_ONLY', revision: revisionRef({ mediaCount: 0 }) } as const;
const phases = (...all: TargetPhase[]) => ({
  targets: all.map((phase, index) => target('abc'[index]!, { phase })),
});
const phasesOf = (state: PostState) => state.targets.map(({ phase }) => phase);
const quorum2 = policy({}, { quorum: 2 });
const withGates = (state: PostState, fields: Partial<PostState['gates']>): PostState => ({
  ...state,
  gates: { ...state.gates, ...fields },
});
/** `content approved 1, …`: how the gates stand, with their rounds. */
const gatesLine = ({ gates: all }: PostState) =>
  gates.map((gate) => `${gate} ${all[gate].status} ${all[gate].round}`).join(', ');

describe('opening a post', () => {
  it('opens the first gate, tells who submitted it, and decides nothing', () => {
    const { state, timeline, decisions } = open(postState());
    const fresh = postState();
    const content = pending({ openedAtMs: now });
    expect(state).toEqual({ ...fresh, gates: { ...fresh.gates, content }, version: 1 });
    expect(timeline).toEqual([
      {
        type: 'post.submitted',
        atMs: now,
        actorId: 'author',
        actorName: 'author by name',
        data: { revision: 1 },
      },
      { type: 'gate.opened', atMs: now, actorId: null, actorName: null, data: { gate: 'content', round: 1 } },
    ]);
    expect(decisions).toEqual([]);
  });

  it('passes gates the policy does not require up to the first that it does', () => {
    const { state, timeline, decisions } = open(
      postState({ policy: policy({ content: { required: false } }) }),
    );
    expect(gatesLine(state)).toBe('content approved 1, design pending 1, publish pending 1');
    expect(state.gates.content).toEqual({
      ...approved('content-1', { votes: [] }),
      decidedBy: 'policy',
    });
    expect(timeline.map(({ type, data }) => `${type} ${data.gate ?? ''}`)).toEqual([
      'post.submitted ',
      'gate.passed-by-policy content',
      'gate.opened design',
    ]);
    expect(decisions).toEqual([
      {
        commandId: 'policy:content:1:content-1',
        gate: 'content',
        round: 1,
        verdict: 'policy',
        hash: 'content-1',
        revisionId: 'revision-1',
        memberId: null,
        memberName: null,
        notes: null,
        returnTo: null,
        atMs: now,
      },
    ]);
  });

  it('passes all gates where none is required, and is ready from then on', () => {
    const { state, decisions } = open(postState({ policy: policy({}, { required: false }) }));
    expect(gatesLine(state)).toBe('content approved 1, design approved 1, publish approved 1');
    expect(decisions.map(({ gate, verdict }) => `${gate} ${verdict}`)).toEqual([
      'content policy',
      'design policy',
      'publish policy',
    ]);
    expect(state).toMatchObject({ readyAtMs: now, lastGate: 'publish' });
    expect(isReadyButForTime(state)).toBe(true);
  });

  it('does not pass a gate behind one that waits for a person', () => {
    const { state } = open(
      postState({ policy: policy({ design: { required: false }, publish: { required: false } }) }),
    );
    expect(gatesLine(state)).toBe('content pending 1, design pending 1, publish pending 1');
    expect(gatesLine(stateAfter(state, approve('content')))).toBe(
      'content approved 1, design approved 1, publish approved 1',
    );
  });

  it('waits with an unrequired design gate for media, and passes it with the edit that brings them', () => {
    const waiting = open(
      postState({ policy: policy({}, { required: false }), revision: revisionRef({ mediaCount: 0 }) }),
    ).state;
    expect(gatesLine(waiting)).toBe('content approved 1, design pending 1, publish pending 1');
    expect(refusalOf(waiting, approve('design'))).toBe('media-missing');
    const { state, timeline } = apply(waiting, edit({ designHash: 'design-2', publishHash: 'publish-2' }));
    expect(gatesLine(state)).toBe('content approved 1, design approved 2, publish approved 2');
    expect(timeline.map(({ type }) => type)).toEqual([
      'post.edited',
      'gate.passed-by-policy',
      'gate.passed-by-policy',
    ]);
    expect(isReadyButForTime(state)).toBe(true);
  });

  it('waits with an unrequired content gate for the copy of a text', () => {
    const revision = revisionRef({ mediaCount: 0, hasCopy: false });
    const waiting = open(postState({ ...text, revision, policy: policy({}, { required: false }) })).state;
    expect(evaluate(waiting).blockedOn.map(({ code }) => code)).toEqual(['copy', 'gate', 'until-due']);
    expect(refusalOf(waiting, approve('content'))).toBe('copy-missing');
    const written = stateAfter(
      waiting,
      edit({ contentHash: 'content-2', publishHash: 'publish-2', mediaCount: 0 }),
    );
    expect(isReadyButForTime(written)).toBe(true);
    const image = postState({
      revision: revisionRef({ hasCopy: false }),
      policy: policy({}, { required: false }),
    });
    expect(isReadyButForTime(open(image).state)).toBe(true);
  });
});

describe('the way through the gates', () => {
  it('goes content, design, publish, each by its own decision on its own hash', () => {
    const first = apply(open(postState()).state, approve('content', { commandId: 'one' }));
    expect(first.state).toMatchObject({ version: 2, readyAtMs: null, lastGate: null });
    expect(first.state.gates.content).toEqual(approved('content-1', { openedAtMs: now }));
    expect(first.timeline).toEqual([
      {
        type: 'gate.approved',
        atMs: now,
        actorId: 'reviewer',
        actorName: 'reviewer by name',
        data: { gate: 'content', round: 1 },
      },
      { type: 'gate.opened', atMs: now, actorId: null, actorName: null, data: { gate: 'design', round: 1 } },
    ]);
    expect(first.decisions).toEqual([
      {
        commandId: 'one',
        gate: 'content',
        round: 1,
        verdict: 'approve',
        hash: 'content-1',
        revisionId: 'revision-1',
        memberId: 'reviewer',
        memberName: 'reviewer by name',
        notes: null,
        returnTo: null,
        atMs: now,
      },
    ]);
    const last = stateAfter(first.state, approve('design'), approve('publish'));
    expect(last).toMatchObject({ version: 4, readyAtMs: now, lastGate: 'publish' });
    expect(isReadyButForTime(last)).toBe(true);
  });

  it('skips design for a text', () => {
    const opened = open(postState(text)).state;
    expect(refusalOf(opened, approve('design'))).toBe('gate-not-open');
    expect(isReadyButForTime(stateAfter(opened, approve('content'), approve('publish')))).toBe(true);
  });

  it('needs as many different members as the quorum says', () => {
    const opened = postState({ policy: quorum2 });
    const one = apply(opened, approve('content'));
    expect(one.timeline.map(({ type }) => type)).toEqual(['gate.voted']);
    expect(one.decisions.map(({ verdict, memberId }) => `${verdict} ${memberId}`)).toEqual([
      'approve reviewer',
    ]);
    expect(one.state.gates.content).toEqual(
      pending({ votes: [{ memberId: 'reviewer', role: 'content_manager', hash: 'content-1', atMs: now }] }),
    );
    expect(refusalOf(one.state, approve('content'))).toBe('already-voted');
    const two = apply(one.state, approve('content', { actor: second }), now + 1);
    expect(two.timeline.map(({ type }) => type)).toEqual(['gate.approved', 'gate.opened']);
    expect(two.state.gates.content).toEqual(
      approved('content-1', {
        votes: [
          { memberId: 'reviewer', role: 'content_manager', hash: 'content-1', atMs: now },
          { memberId: 'second', role: 'tenant_admin', hash: 'content-1', atMs: now + 1 },
        ],
        decidedAtMs: now + 1,
        decidedBy: 'second',
      }),
    );
    expect(refusalOf(two.state, approve('content', { actor: second }))).toBe('already-voted');
    expect(refusalOf(two.state, approve('content', { actor: third }))).toBe('gate-already-decided');
  });

  it('keeps the author of a gate from approving it, but not from rejecting, unless the policy lets them', () => {
    const revision = revisionRef({ authors: { content: 'author', design: 'reviewer', publish: 'second' } });
    const state = postState({ revision });
    expect(refusalOf(state, approve('content', { actor: author }))).toBe('author-may-not-decide');
    const designing = stateAfter(state, approve('content'));
    expect(refusalOf(designing, approve('design'))).toBe('author-may-not-decide');
    const publishing = stateAfter(designing, approve('design', { actor: author }));
    expect(refusalOf(publishing, approve('publish', { actor: second }))).toBe('author-may-not-decide');
    expect(refusalOf(publishing, publishNow({ actor: second }))).toBe('author-may-not-decide');
    expect(gatesLine(stateAfter(state, reject('content', { actor: author })))).toMatch(/^content rejected 1/);
    const lenient = postState({ revision, policy: policy({ content: { authorMay: true } }) });
    expect(gatesLine(stateAfter(lenient, approve('content', { actor: author })))).toMatch(
      /^content approved/,
    );
  });
});

describe('an edit', () => {
  const subsets = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => gates.filter((_gate, index) => bits & (1 << index)));
  const editing = (changed: readonly Gate[]): Partial<RevisionRef> =>
    Object.fromEntries(changed.map((gate) => [`${gate}Hash`, `${gate}-2`]));

  it.each(subsets.map((changed) => [changed] as const))(
    'that changes %j opens exactly that again',
    (changed) => {
      const before = readyState();
      const { state, timeline, decisions } = apply(before, edit(editing(changed)));
      for (const gate of gates)
        expect(state.gates[gate]).toEqual(
          changed.includes(gate)
            ? pending({ round: 2, openedAtMs: gate === changed[0] ? now : null })
            : before.gates[gate],
        );
      expect(state.readyAtMs).toBe(changed.length === 0 ? now : null);
      expect(isReadyButForTime(state)).toBe(changed.length === 0);
      expect(timeline[0]).toMatchObject({
        type: 'post.edited',
        actorId: 'author',
        data: { revision: 2, reopened: changed.join(', ') },
      });
      expect(timeline.slice(1).map(({ type, data }) => `${type} ${data.gate}`)).toEqual(
        changed.slice(0, 1).map((gate) => `gate.opened ${gate}`),
      );
      expect(decisions).toEqual([]);
    },
  );

  it.each(subsets.map((changed) => [changed] as const))(
    'that changes %j lifts a rejection there, and nowhere else',
    (changed) => {
      const all = withGates(postState(), { content: rejected(), design: rejected(), publish: rejected() });
      const { gates: left } = stateAfter(all, edit(editing(changed)));
      const lifted = gates.filter((gate) => left[gate].status === 'pending');
      expect(lifted).toEqual(changed);
    },
  );

  it('drops votes that did not suffice yet, and keeps them where nothing changed', () => {
    const voted = stateAfter(postState({ policy: quorum2 }), approve('content'));
    const changed = stateAfter(voted, edit(editing(['content', 'publish'])));
    expect(changed.gates.content).toEqual(pending({ round: 2, openedAtMs: now }));
    expect(stateAfter(voted, edit(editing(['design', 'publish']))).gates.content.votes).toHaveLength(1);
  });

  it('does not bring an approval back with the hash it was given on', () => {
    const there = stateAfter(readyState(), edit(editing(['content', 'publish'])));
    const back = stateAfter(there, edit({ revisionId: 'revision-3' }, { baseRevisionId: 'revision-2' }));
    expect(back.revision.contentHash).toBe('content-1');
    expect(gatesLine(back)).toBe('content pending 3, design approved 1, publish pending 3');
  });

  it('passes gates the policy does not require on the new hash', () => {
    const state = open(postState({ policy: policy({}, { required: false }) })).state;
    const edited = apply(state, edit(editing(['content', 'publish'])));
    expect(edited.decisions.map(({ gate, hash, round }) => `${gate} ${hash} ${round}`)).toEqual([
      'content content-2 2',
      'publish publish-2 2',
    ]);
    expect(isReadyButForTime(edited.state)).toBe(true);
  });

  it('names only gates that a text passes', () => {
    const { timeline } = apply(readyState(text), edit({ ...editing(gates), mediaCount: 0 }));
    expect(timeline[0]!.data.reopened).toBe('content, publish');
  });

  it('touches what is left after one target went out', () => {
    const state = readyState(phases('PUBLISHED', 'FAILED', 'WAITING'));
    const edited = stateAfter(state, edit(editing(['content', 'publish'])));
    expect(edited.targets).toEqual(state.targets);
    expect(gatesLine(edited)).toBe('content pending 2, design approved 1, publish pending 2');
  });
});

describe('a rejection', () => {
  it('needs notes, keeps them short in the state and whole in the record', () => {
    expect(refusalOf(postState(), reject('content', { notes: null }))).toBe('notes-required');
    expect(refusalOf(postState(), reject('content', { notes: ' \n ' }))).toBe('notes-required');
    const notes = `  ${'x'.repeat(300)}`;
    const { state, timeline, decisions } = apply(postState(), reject('content', { notes }));
    expect(state.gates.content).toEqual(rejected('x'.repeat(200)));
    expect(decisions).toMatchObject([
      { verdict: 'reject', notes, gate: 'content', returnTo: 'content', round: 1 },
    ]);
    expect(timeline).toMatchObject([
      {
        type: 'gate.rejected',
        actorId: 'reviewer',
        data: { gate: 'content', round: 1, returnTo: 'content' },
      },
    ]);
  });

  it('closes the gate to approvals until it is opened again', () => {
    const state = stateAfter(postState(), reject('content'));
    expect(refusalOf(state, approve('content', { actor: second }))).toBe('gate-not-open');
    expect(refusalOf(state, reject('content', { actor: second }))).toBe('gate-already-decided');
    expect(refusalOf(state, approve('design'))).toBe('gate-not-open');
    const again = stateAfter(state, submit(), approve('content'));
    expect(gatesLine(again)).toBe('content approved 2, design pending 1, publish pending 1');
  });

  it.each(gates)('of the approved %s gate is taken as long as nothing is being sent', (gate) => {
    const state = readyState();
    const returned = stateAfter(state, reject(gate, { returnTo: gate }));
    expect(returned.gates[gate]).toEqual(rejected());
    expect(returned.readyAtMs).toBeNull();
    for (const other of gates.filter((one) => one !== gate))
      expect(returned.gates[other]).toEqual(state.gates[other]);
    expect(isReadyButForTime(returned)).toBe(false);
    for (const phase of ['ARMING', 'RECONCILING', 'PUBLISHED', 'UNCONFIRMED'] as const)
      expect(refusalOf({ ...readyState(phases(phase, 'CANCELLED')) }, reject(gate))).toBe(
        'already-publishing',
      );
  });

  it.each<[Gate | null, string]>([
    [null, 'content rejected 1, design approved 1, publish pending 2'],
    ['content', 'content rejected 1, design approved 1, publish pending 2'],
    ['design', 'content approved 1, design rejected 1, publish pending 2'],
    ['publish', 'content approved 1, design approved 1, publish rejected 1'],
  ])('at the publish gate returns the post to %s', (returnTo, expected) => {
    const pendingPublish = withApproved(postState({ policy: quorum2 }), ['content', 'design']);
    for (const state of [pendingPublish, stateAfter(pendingPublish, approve('publish')), readyState()]) {
      const { state: returned, decisions } = apply(state, reject('publish', { returnTo, actor: second }));
      expect(gatesLine(returned)).toBe(expected);
      expect(returned.gates.publish.votes).toEqual([]);
      expect(decisions[0]).toMatchObject({ gate: 'publish', returnTo: returnTo ?? 'content' });
    }
  });

  it('returns only from the publish gate to another, and only to one the post passes', () => {
    expect(refusalOf(postState(), reject('content', { returnTo: 'design' }))).toBe('invalid-return');
    expect(refusalOf(readyState(), reject('design', { returnTo: 'content' }))).toBe('invalid-return');
    expect(refusalOf(readyState(text), reject('publish', { returnTo: 'design' }))).toBe('invalid-return');
    expect(gatesLine(stateAfter(readyState(text), reject('publish')))).toBe(
      'content rejected 1, design approved 1, publish pending 2',
    );
  });

  it('holds also at a gate that the policy had passed, until somebody acts', () => {
    const state = open(postState({ policy: policy({}, { required: false }) })).state;
    const returned = stateAfter(state, reject('content'));
    expect(gatesLine(returned)).toBe('content rejected 1, design approved 1, publish approved 1');
    expect(isReadyButForTime(stateAfter(returned, schedule(dueAt + hour)))).toBe(false);
    expect(isReadyButForTime(stateAfter(returned, submit()))).toBe(true);
  });

  it('withdraws the votes of its gate, also from who had approved', () => {
    const voted = stateAfter(postState({ policy: quorum2 }), approve('content'));
    const again = stateAfter(voted, reject('content'), submit());
    expect(again.gates.content).toEqual(pending({ round: 2, openedAtMs: now }));
    expect(stateAfter(again, approve('content')).gates.content.votes).toHaveLength(1);
  });
});

describe('withdrawing and submitting again', () => {
  it('takes back every approval, and opens the first gate on the new revision', () => {
    const withdrawn = apply(readyState(), withdraw());
    expect(gatesLine(withdrawn.state)).toBe('content pending 2, design pending 2, publish pending 2');
    expect(withdrawn.state).toMatchObject({ draft: true, readyAtMs: null });
    expect(withdrawn.timeline.map(({ type }) => type)).toEqual(['post.withdrawn']);
    expect(evaluate(withdrawn.state).status).toBe('DRAFT');
    const revision = revisionRef({ revisionId: 'revision-2', number: 2, contentHash: 'content-2' });
    const submitted = apply(withdrawn.state, submit({ revision, dueAtMs: null }));
    expect(submitted.state).toMatchObject({ draft: false, revision, dueAtMs: null });
    expect(submitted.timeline.map(({ type, data }) => [type, data])).toEqual([
      ['post.submitted', { revision: 2 }],
      ['gate.opened', { gate: 'content', round: 2 }],
    ]);
  });

  it('leaves a text its unused design gate', () => {
    expect(gatesLine(stateAfter(readyState(text), withdraw()))).toBe(
      'content pending 2, design approved 1, publish pending 2',
    );
  });

  it('passes unrequired gates only once the draft is submitted', () => {
    const withdrawn = stateAfter(
      open(postState({ policy: policy({}, { required: false }) })).state,
      withdraw(),
    );
    expect(gatesLine(withdrawn)).toBe('content pending 2, design pending 2, publish pending 2');
    expect(isReadyButForTime(stateAfter(withdrawn, submit()))).toBe(true);
  });

  it('opens all rejected gates again, and no others', () => {
    const state = withGates(postState(), {
      content: approved('content-1'),
      design: rejected(),
      publish: rejected(),
    });
    const { state: again, timeline } = apply(state, submit({ revision: revisionRef({ number: 9 }) }));
    expect(gatesLine(again)).toBe('content approved 1, design pending 2, publish pending 2');
    expect(again.revision).toEqual(state.revision);
    expect(timeline.map(({ type, data }) => `${type} ${data.gates ?? data.gate}`)).toEqual([
      'post.resubmitted design, publish',
      'gate.opened design',
    ]);
  });
});

describe('scheduling', () => {
  it('re-opens nothing', () => {
    const before = readyState({ dueAtMs: null });
    const { state, timeline } = apply(before, schedule(dueAt));
    expect(state).toEqual({ ...before, dueAtMs: dueAt, version: 1, commands: state.commands });
    expect(timeline).toMatchObject([{ type: 'post.scheduled', data: { dueAt: '2026-05-04T10:00:00.000Z' } }]);
  });

  it('takes a later instant only', () => {
    expect(refusalOf(readyState(), schedule(now))).toBe('due-time-passed');
    expect(stateAfter(readyState(), schedule(now + 1)).dueAtMs).toBe(now + 1);
  });
});

describe('publish now', () => {
  it('casts the publish vote of the caller and makes the post due', () => {
    const state = withApproved(postState(), ['content', 'design']);
    const { state: due, timeline, decisions } = apply(state, publishNow({ commandId: 'go' }));
    expect(due).toMatchObject({ dueAtMs: now, readyAtMs: now, lastGate: 'publish', version: 1 });
    expect(isReadyButForTime(due)).toBe(true);
    expect(timeline.map(({ type }) => type)).toEqual(['gate.approved', 'post.publish-now']);
    expect(decisions).toMatchObject([
      { gate: 'publish', verdict: 'approve', memberId: 'reviewer', commandId: 'go' },
    ]);
    expect(due.commands).toEqual([{ commandId: 'go', version: 1 }]);
  });

  it('needs no second vote where the gate is open already', () => {
    const { state, timeline, decisions } = apply(
      readyState({ dueAtMs: null }),
      publishNow({ actor: second }),
    );
    expect(state.dueAtMs).toBe(now);
    expect(timeline.map(({ type }) => type)).toEqual(['post.publish-now']);
    expect(decisions).toEqual([]);
  });

  it.each<[string, PostState, RefusalCode]>([
    ['the content gate is open', postState(), 'gate-open'],
    ['the design gate is open', withApproved(postState(), ['content']), 'gate-open'],
    [
      'the quorum is not met',
      withApproved(postState({ policy: quorum2 }), ['content', 'design']),
      'gate-open',
    ],
    ['a gate was rejected', stateAfter(readyState(), reject('design')), 'gate-open'],
    [
      'the publish gate was rejected',
      stateAfter(readyState(), reject('publish', { returnTo: 'publish' })),
      'gate-not-open',
    ],
  ])('is refused while %s, and changes nothing', (_what, state, code) => {
    const before = structuredClone(state);
    expect(refusalOf(state, publishNow())).toBe(code);
    expect(state).toEqual(before);
  });

  it('keeps the due time of a post that is due already, and takes on one that is held as late', () => {
    const dueNow = readyState({ dueAtMs: now - hour, readyAtMs: now - 2 * hour });
    expect(stateAfter(dueNow, publishNow()).dueAtMs).toBe(now - hour);
    const held = readyState({ dueAtMs: now - hour, readyAtMs: now - 1 });
    expect(isHeldForLateness(held)).toBe(true);
    const taken = stateAfter(held, publishNow());
    expect(taken.dueAtMs).toBe(now);
    expect(isReadyButForTime(taken)).toBe(true);
  });

  it('takes on a late post also where the rule would have it expire', () => {
    const rule = policy({}, { lateness: 'expire' });
    const late = withApproved(postState({ policy: rule, dueAtMs: now - hour }), ['content', 'design']);
    expect(stateAfter(late, publishNow())).toMatchObject({ expiredAtMs: null, dueAtMs: now });
  });

  it('leaves targets that are on their way or settled alone', () => {
    const state = readyState(phases('PUBLISHED', 'WAITING', 'FAILED'));
    expect(stateAfter(state, publishNow()).targets).toEqual(state.targets);
    expect(refusalOf(readyState(phases('PUBLISHED', 'FAILED')), publishNow())).toBe('already-publishing');
  });
});

describe('a post whose last gate opens after its due time', () => {
  const waiting = (lateness: 'publish' | 'hold' | 'expire', fields: Partial<PostState> = {}) =>
    withApproved(postState({ policy: policy({}, { lateness }), ...fields }), ['content', 'design']);
  const approveLate = (state: PostState, atMs = dueAt + 1) => apply(state, approve('publish'), atMs);

  it('goes out at once by the rule `publish`', () => {
    const { state } = approveLate(waiting('publish'));
    expect(isReadyButForTime(state)).toBe(true);
  });

  it('is held by the rule `hold`, until it is scheduled anew or published now', () => {
    const { state } = approveLate(waiting('hold'));
    expect(evaluate(state).blockedOn.map(({ code }) => code)).toEqual(['late']);
    expect(isReadyButForTime(apply(state, schedule(dueAt + hour), dueAt + 2).state)).toBe(true);
    expect(isReadyButForTime(apply(state, publishNow(), dueAt + 2).state)).toBe(true);
    expect(evaluate(stateAfter(state, cancel())).status).toBe('CANCELLED');
  });

  it('expires by the rule `expire`, and takes no more commands', () => {
    const { state, timeline } = approveLate(waiting('expire'));
    expect(state.expiredAtMs).toBe(dueAt + 1);
    expect(evaluate(state).status).toBe('EXPIRED');
    expect(timeline.map(({ type }) => type)).toEqual(['gate.approved', 'post.expired']);
    expect(refusalOf(state, cancel())).toBe('post-closed');
  });

  it('is not late at the due time itself', () => {
    expect(approveLate(waiting('expire'), dueAt).state.expiredAtMs).toBeNull();
  });

  it('does not expire before its last gate has opened', () => {
    const state = apply(
      withApproved(waiting('expire'), ['content']),
      edit({ designHash: 'design-2' }),
      dueAt + 1,
    ).state;
    expect(state.expiredAtMs).toBeNull();
  });

  it('does not expire once a target has gone out or has been tried: what is left is held', () => {
    const partly = approveLate(waiting('expire', phases('PUBLISHED', 'WAITING'))).state;
    expect(evaluate(partly).blockedOn.map(({ code }) => code)).toEqual(['late']);
    const failed = approveLate(waiting('expire', phases('FAILED'))).state;
    expect(evaluate(failed).status).toBe('FAILED');
    const retried = apply(failed, retry(null), dueAt + 2).state;
    expect(evaluate(retried).blockedOn.map(({ code }) => code)).toEqual(['late']);
    expect(isReadyButForTime(apply(retried, publishNow(), dueAt + 3).state)).toBe(true);
  });

  it('can expire by the policy passing the last gate itself', () => {
    const rules = policy({ publish: { required: false, lateness: 'expire' } });
    const state = withApproved(postState({ ...text, policy: rules }), []);
    expect(apply(state, approve('content'), dueAt + 1).state.expiredAtMs).toBe(dueAt + 1);
  });
});

describe('a retry', () => {
  const error = { code: 'rejected', message: 'No' };
  const state = readyState({
    targets: [
      target('a', { phase: 'FAILED', error, cycle: 3, preparedRevisionId: 'revision-1' }),
      target('b', { phase: 'PUBLISHED' }),
      target('c', { phase: 'FAILED', error }),
      target('d', { phase: 'UNCONFIRMED' }),
    ],
  });
  const cycles = (reached: PostState) => reached.targets.map(({ phase, cycle }) => `${phase} ${cycle}`);

  it('takes the named failed targets only, each in a new cycle and without its old error', () => {
    const { state: retried, timeline } = apply(state, retry(['a', 'b', 'nobody']));
    expect(cycles(retried)).toEqual(['WAITING 4', 'PUBLISHED 1', 'FAILED 1', 'UNCONFIRMED 1']);
    expect(retried.targets[0]).toEqual({ ...state.targets[0], phase: 'WAITING', cycle: 4, error: null });
    expect(retried.targets.slice(1)).toEqual(state.targets.slice(1));
    expect(timeline).toMatchObject([{ type: 'post.retried', data: { targets: 'a' } }]);
  });

  it('takes all failed targets when none is named', () => {
    const { state: retried, timeline } = apply(state, retry(null));
    expect(cycles(retried)).toEqual(['WAITING 4', 'PUBLISHED 1', 'WAITING 2', 'UNCONFIRMED 1']);
    expect(timeline[0]!.data.targets).toBe('a, c');
    expect(isReadyButForTime(retried)).toBe(true);
  });

  it('is possible while another target is on its way', () => {
    const moving = readyState(phases('RECONCILING', 'FAILED'));
    expect(phasesOf(stateAfter(moving, retry(null)))).toEqual(['RECONCILING', 'WAITING']);
  });

  it('brings nothing past a gate that has been opened again', () => {
    const reopened = stateAfter(
      state,
      edit({ contentHash: 'content-2', publishHash: 'publish-2' }),
      retry(null),
    );
    expect(evaluate(reopened).status).toBe('IN_REVIEW');
    expect(isReadyButForTime(reopened)).toBe(false);
  });
});

describe('a cancel', () => {
  it('takes the targets that are not on their way, and leaves the others to their outcome', () => {
    const state = readyState(phases('ARMING', 'WAITING', 'FAILED'));
    const { state: cancelled, timeline } = apply(state, cancel({ reason: 'The offer ended' }));
    expect(phasesOf(cancelled)).toEqual(['ARMING', 'CANCELLED', 'CANCELLED']);
    expect(cancelled.cancelledAtMs).toBe(now);
    expect(timeline).toMatchObject([{ type: 'post.cancelled', data: { reason: 'The offer ended' } }]);
    expect(evaluate(cancelled).status).toBe('PUBLISHING');
  });

  it('closes the post, whatever gate it waited at, also as a draft', () => {
    for (const state of [
      postState(),
      readyState(),
      stateAfter(postState(), withdraw()),
      stateAfter(postState(), reject('content')),
    ])
      expect(evaluate(stateAfter(state, cancel()))).toEqual({ status: 'CANCELLED', blockedOn: [] });
  });

  it('can be repeated for a target that failed after the first, so that the post can come to its end', () => {
    const cancelled = stateAfter(readyState(phases('ARMING', 'WAITING')), cancel());
    const failed = { ...cancelled, ...phases('FAILED', 'CANCELLED') };
    expect(refusalOf(failed, retry(null))).toBe('post-closed');
    const { state } = apply(failed, cancel(), now + 1);
    expect(phasesOf(state)).toEqual(['CANCELLED', 'CANCELLED']);
    expect(state.cancelledAtMs).toBe(now);
    expect(refusalOf(state, cancel())).toBe('post-closed');
  });
});

describe('a refusal', () => {
  const draft = stateAfter(postState(), withdraw());
  const textDraft = stateAfter(postState(text), withdraw());
  const sending = (...all: TargetPhase[]) => readyState(phases(...all));
  const designer = actor('designer', 'graphic_designer');

  const cases: [RefusalCode, string, PostState, Command][] = [
    ['already-publishing', 'edit while a target is sent', sending('ARMING', 'WAITING'), edit({})],
    ['already-publishing', 'edit while a target is asked about', sending('RECONCILING', 'FAILED'), edit({})],
    ['already-publishing', 'edit when nothing is left', sending('PUBLISHED', 'UNCONFIRMED'), edit({})],
    ['already-publishing', 'approve while a target is sent', sending('ARMING'), approve('publish')],
    ['already-publishing', 'schedule while a target is sent', sending('ARMING'), schedule(dueAt)],
    ['already-publishing', 'schedule when nothing is left', sending('UNCONFIRMED'), schedule(dueAt)],
    ['already-publishing', 'publish now what is being sent', sending('ARMING'), publishNow()],
    ['already-publishing', 'cancel what is being sent', sending('ARMING', 'PUBLISHED'), cancel()],
    ['already-publishing', 'cancel what nobody can tell', sending('UNCONFIRMED'), cancel()],
    ...(['ARMING', 'RECONCILING', 'PUBLISHED', 'FAILED', 'UNCONFIRMED'] as const).map(
      (phase): [RefusalCode, string, PostState, Command] => [
        'already-publishing',
        `withdraw with a target ${phase}`,
        sending('WAITING', phase),
        withdraw(),
      ],
    ),
    ['already-submitted', 'submit at the content gate', postState(), submit()],
    ['nothing-to-submit', 'submit with every gate passed', readyState(), submit()],
    ['not-submitted', 'withdraw a draft', draft, withdraw()],
    ['not-submitted', 'approve a draft', draft, approve('content')],
    ['not-submitted', 'reject a draft', draft, reject('content')],
    ['not-submitted', 'edit a draft', draft, edit({})],
    ['not-submitted', 'publish a draft now', draft, publishNow()],
    ['not-submitted', 'schedule a draft', draft, schedule(dueAt)],
    ['not-submitted', 'pause a draft', draft, pause()],
    [
      'copy-missing',
      'submit a text without copy',
      textDraft,
      submit({ revision: revisionRef({ hasCopy: false }) }),
    ],
    [
      'copy-missing',
      'approve a text without copy',
      postState({ ...text, revision: revisionRef({ hasCopy: false }) }),
      approve('content'),
    ],
    [
      'media-missing',
      'approve a design without media',
      withApproved(postState({ revision: revisionRef({ mediaCount: 0 }) }), ['content']),
      approve('design'),
    ],
    [
      'media-missing',
      'approve a carousel of one',
      withApproved(postState({ type: 'CAROUSEL' }), ['content']),
      approve('design'),
    ],
    ['gate-not-open', 'approve design before content', postState(), approve('design')],
    ['gate-not-open', 'approve publish before content', postState(), approve('publish')],
    ['gate-not-open', 'reject design before content', postState(), reject('design')],
    ['gate-not-open', 'reject publish before content', postState(), reject('publish')],
    ['gate-not-open', 'reject the design of a text', postState(text), reject('design')],
    ['gate-already-decided', 'approve what is approved', readyState(), approve('content', { actor: second })],
    ['gate-open', 'publish now at the content gate', postState(), publishNow()],
    ['stale-hash', 'approve another hash', postState(), approve('content', { hash: 'content-0' })],
    [
      'stale-hash',
      'approve by the hash of another gate',
      postState(),
      approve('content', { hash: 'publish-1' }),
    ],
    ['stale-hash', 'reject another hash', readyState(), reject('design', { hash: 'design-0' })],
    [
      'stale-hash',
      'publish another hash now',
      withApproved(postState(), ['content', 'design']),
      publishNow({ hash: 'publish-0' }),
    ],
    ['stale-revision', 'edit from another revision', postState(), edit({}, { baseRevisionId: 'revision-0' })],
    ['may-not-decide', 'approve as a designer', postState(), approve('content', { actor: designer })],
    [
      'may-not-decide',
      'approve as a super admin',
      postState(),
      approve('content', { actor: actor('root', 'super_admin') }),
    ],
    ['may-not-decide', 'reject as a designer', readyState(), reject('content', { actor: designer })],
    [
      'may-not-decide',
      'publish now as a viewer',
      withApproved(postState(), ['content', 'design']),
      publishNow({ actor: actor('guest', 'viewer') }),
    ],
    ['author-may-not-decide', 'approve as the author', postState(), approve('content', { actor: author })],
    [
      'already-voted',
      'approve twice',
      stateAfter(postState({ policy: quorum2 }), approve('content')),
      approve('content'),
    ],
    [
      'already-voted',
      'publish now after the own vote',
      stateAfter(withApproved(postState({ policy: quorum2 }), ['content', 'design']), approve('publish')),
      publishNow(),
    ],
    ['notes-required', 'reject without notes', postState(), reject('content', { notes: '' })],
    ['invalid-return', 'return from content', postState(), reject('content', { returnTo: 'publish' })],
    [
      'invalid-return',
      'return a text to design',
      readyState(text),
      reject('publish', { returnTo: 'design' }),
    ],
    [
      'nothing-to-retry',
      'retry what has not failed',
      sending('PUBLISHED', 'WAITING', 'UNCONFIRMED'),
      retry(null),
    ],
    ['nothing-to-retry', 'retry another target', sending('FAILED', 'PUBLISHED'), retry(['b'])],
    ['nothing-to-retry', 'retry no target', sending('FAILED'), retry([])],
    ['not-unconfirmed', 'resolve what is known', sending('FAILED', 'UNCONFIRMED'), resolve('a', 'absent')],
    [
      'not-unconfirmed',
      'resolve the doubt about an earlier cycle',
      readyState({ targets: [target('a', { phase: 'UNCONFIRMED', cycle: 2 })] }),
      resolve('a', 'absent', { cycle: 1 }),
    ],
    ['not-unconfirmed', 'resolve no target', sending('UNCONFIRMED'), resolve('z', 'resend')],
    [
      'permalink-required',
      'declare published without saying where',
      sending('UNCONFIRMED'),
      resolve('a', 'published', { permalink: null }),
    ],
    [
      'post-closed',
      'resend what has been cancelled',
      readyState({ cancelledAtMs: now, ...phases('UNCONFIRMED') }),
      resolve('a', 'resend'),
    ],
    ['due-time-passed', 'schedule for the past', postState(), schedule(now - 1)],
    [
      'due-time-passed',
      'schedule a target for the past',
      postState(),
      schedule(dueAt, { targets: [{ targetId: 'a', dueAtMs: now }] }),
    ],
    [
      'unknown-target',
      'schedule a target of another post',
      postState(),
      schedule(dueAt, { targets: [{ targetId: 'z', dueAtMs: dueAt }] }),
    ],
    ['already-paused', 'pause twice', stateAfter(readyState(), pause()), pause()],
    ['already-publishing', 'pause what is being sent', readyState(phases('ARMING')), pause()],
    ['not-paused', 'resume what is not paused', readyState(), resume()],
    ['on-hold', 'publish a paused post now', stateAfter(readyState(), pause()), publishNow()],
    [
      'on-hold',
      'publish a held post now',
      readyState({ holds: [{ holdId: 'h', scope: 'tenant', subject: null, reason: 'Storm' }] }),
      publishNow(),
    ],
    ['not-at-rest', 'archive what can still move', readyState(), archive()],
  ];

  it.each(cases)('%s: %s', (code, _what, state, command) => {
    expect(refusalOf(state, command)).toBe(code);
  });

  const one: Record<Command['kind'], Command> = {
    submit: submit(),
    withdraw: withdraw(),
    decide: approve('content'),
    edit: edit({}),
    schedule: schedule(dueAt),
    publishNow: publishNow(),
    retry: retry(null),
    resolve: resolve('a', 'absent'),
    pause: pause(),
    resume: resume(),
    archive: archive(),
    cancel: cancel(),
  };
  it.each(commandKinds)('meets %s on every closed post', (kind) => {
    for (const closed of [
      postState({ expiredAtMs: now }),
      postState({ archived: true }),
      readyState({ cancelledAtMs: now, ...phases('CANCELLED', 'PUBLISHED') }),
      readyState(phases('PUBLISHED', 'PUBLISHED')),
    ])
      expect(refusalOf(closed, one[kind])).toBe('post-closed');
  });

  it('is tested for every code that the reducer gives', () => {
    const tested = new Set([...cases.map(([code]) => code), 'post-closed']);
    expect(refusalCodes.filter((code) => !tested.has(code))).toEqual([]);
  });

  it('stops at a command it does not know', () => {
    const burn = { ...cancel(), kind: 'burn' } as unknown as Command;
    expect(() => refusalOf(postState(), burn)).toThrow('Unknown command');
  });
});

describe('resolve', () => {
  const doubtful = (fields = {}) => readyState({ ...fields, ...phases('UNCONFIRMED', 'PUBLISHED') });
  const resolved = (state: PostState, resolution: 'published' | 'absent' | 'resend') =>
    stateAfter(state, resolve('a', resolution));

  it('takes the word of a person who found the post, with its address', () => {
    const state = resolved(doubtful(), 'published');
    expect(state.targets[0]).toMatchObject({
      phase: 'PUBLISHED',
      permalink: 'https://example.com/post',
      cycle: 1,
    });
    expect(evaluate(state).status).toBe('PUBLISHED');
  });

  it('fails a target that is not there, so that it may be retried', () => {
    const state = resolved(doubtful(), 'absent');
    expect(evaluate(state).status).toBe('PARTIALLY_PUBLISHED');
    expect(state.targets[0]?.error?.code).toBe('declared-absent');
    expect(stateAfter(state, retry(['a'])).targets[0]).toMatchObject({ phase: 'WAITING', cycle: 2 });
  });

  it('sends once more in a cycle of its own', () => {
    expect(resolved(doubtful(), 'resend').targets[0]).toMatchObject({
      phase: 'WAITING',
      cycle: 2,
      error: null,
    });
  });

  it('settles a post that was cancelled meanwhile, and sends nothing more', () => {
    const cancelled = doubtful({ cancelledAtMs: now });
    expect(resolved(cancelled, 'published').targets[0]?.phase).toBe('PUBLISHED');
    expect(resolved(cancelled, 'absent').targets[0]?.phase).toBe('CANCELLED');
  });
});

describe('what every accepted command does', () => {
  const states: Record<Command['kind'], [PostState, Command]> = {
    submit: [stateAfter(postState(), withdraw()), submit()],
    withdraw: [readyState(), withdraw()],
    decide: [postState(), approve('content')],
    edit: [readyState(), edit({ contentHash: 'content-2' })],
    schedule: [readyState(), schedule(dueAt + hour)],
    publishNow: [readyState(), publishNow()],
    retry: [readyState(phases('FAILED')), retry(null)],
    resolve: [readyState(phases('UNCONFIRMED')), resolve('a', 'published')],
    pause: [readyState(), pause()],
    resume: [stateAfter(readyState(), pause()), resume()],
    archive: [readyState({ ...phases('FAILED'), restingSinceMs: now }), archive()],
    cancel: [readyState(), cancel()],
  };

  it.each(commandKinds)(
    '%s raises the version by one, remembers the command, and tells its story',
    (kind) => {
      const [state, command] = states[kind];
      const change = apply(state, command, now + 5);
      const version = state.version + 1;
      expect(change.state.version).toBe(version);
      expect(change.state.commands).toEqual([...state.commands, { commandId: command.commandId, version }]);
      expect(change.timeline[0]).toMatchObject({
        atMs: now + 5,
        actorId: command.actor.memberId,
        actorName: command.actor.name,
      });
    },
  );

  it('remembers the last 200 commands and forgets the oldest first', () => {
    expect(rememberedCommands).toBe(200);
    let state = readyState();
    for (let index = 1; index <= 203; index += 1)
      state = stateAfter(state, schedule(dueAt + index, { commandId: `schedule-${index}` }));
    expect(state.version).toBe(203);
    expect(state.commands).toHaveLength(200);
    expect(state.commands[0]).toEqual({ commandId: 'schedule-4', version: 4 });
    expect(state.commands.at(-1)).toEqual({ commandId: 'schedule-203', version: 203 });
  });

  it('leaves what it is not about as it was', () => {
    const carried = {
      schemaVersion: 1,
      tenantId: 'tenant',
      postId: 'post',
      type: 'SINGLE_IMAGE',
      origin: 'human',
    };
    for (const [state, command] of Object.values(states)) {
      const { state: next } = apply(state, command);
      const archived = command.kind === 'archive';
      expect(next).toMatchObject({ ...carried, policy: state.policy, archived, expiredAtMs: null });
      expect(next.targets.map(({ targetId }) => targetId)).toEqual(
        state.targets.map(({ targetId }) => targetId),
      );
    }
  });

  it('names the gate that opens only when another one, or another round, is open', () => {
    const opened = (state: PostState, command: Command) =>
      apply(state, command)
        .timeline.filter(({ type }) => type === 'gate.opened')
        .map(({ data }) => `${data.gate} ${data.round}`);
    expect(opened(postState(), schedule(dueAt + hour))).toEqual([]);
    expect(opened(postState({ policy: quorum2 }), approve('content'))).toEqual([]);
    expect(opened(postState(), approve('content'))).toEqual(['design 1']);
    expect(opened(postState(), edit({ contentHash: 'content-2' }))).toEqual(['content 2']);
    expect(opened(postState(), reject('content'))).toEqual([]);
    expect(opened(stateAfter(postState(), reject('content')), submit())).toEqual(['content 2']);
    expect(opened(stateAfter(postState(), withdraw()), cancel())).toEqual([]);
  });
});
