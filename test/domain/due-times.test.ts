import { evaluate, mediaNeededFor, type PostFacts, targetsReadyButForTime } from '../../domain/lifecycle.ts';
import { type GatePolicyLayer, resolvePostPolicy } from '../../domain/policy.ts';
import { type Gate, gates } from '../../domain/post.ts';
import type { PostState, TargetState } from '../../domain/post-state.ts';
import {
  apply,
  approve,
  dueAt,
  hour,
  now,
  pause,
  policy,
  postState,
  publishNow,
  readyState,
  refusalOf,
  reject,
  resolve,
  resume,
  retry,
  revisionRef,
  schedule,
  stateAfter,
  submit,
  target,
  withApproved,
  withdraw,
} from './builders.ts';

const at = (atMs: number) => new Date(atMs).toISOString();
const targets = (...fields: Partial<TargetState>[]) => ({
  targets: fields.map((one, index) => target('abc'[index]!, one)),
});
const verdict = (facts: PostFacts) => {
  const { status, blockedOn } = evaluate(facts);
  const blocks = blockedOn.map(({ code, gate, targetId }) =>
    [code, gate ?? targetId].filter(Boolean).join(' '),
  );
  return `${status}: ${blocks.join(', ')}`;
};
const readyIds = (facts: PostFacts) => targetsReadyButForTime(facts).map(({ targetId }) => targetId);
const dues = ({ targets: all }: PostState) => all.map(({ dueAtMs }) => dueAtMs);
const rated = dueAt + 60_000;

describe('targets with due times of their own', () => {
  it.each<[string, Partial<PostState>, string, string[]]>([
    ['all the same', targets({}, {}), 'SCHEDULED: until-due', ['a', 'b']],
    ['the same as the post, said twice', targets({ dueAtMs: dueAt }, {}), 'SCHEDULED: until-due', ['a', 'b']],
    [
      'one of its own',
      targets({}, { dueAtMs: dueAt + hour }),
      'SCHEDULED: until-due a, until-due b',
      ['a', 'b'],
    ],
    [
      'one of its own, and none for the others',
      { dueAtMs: null, ...targets({}, { dueAtMs: dueAt }, {}) },
      'SCHEDULED: due-time a, until-due b, due-time c',
      ['b'],
    ],
    ['none at all', { dueAtMs: null, ...targets({}, {}) }, 'APPROVED: due-time', []],
    [
      'one that has gone out, one that waits',
      { dueAtMs: null, ...targets({ phase: 'PUBLISHED', dueAtMs: now }, { dueAtMs: dueAt }) },
      'SCHEDULED: until-due',
      ['b'],
    ],
    [
      'one that is late, one that is not',
      { readyAtMs: dueAt + 1, ...targets({}, { dueAtMs: dueAt + hour }) },
      'SCHEDULED: late a, until-due b',
      ['b'],
    ],
    ['all late', { readyAtMs: dueAt + 1, ...targets({}, { dueAtMs: now }) }, 'SCHEDULED: late a, late b', []],
    [
      'one admitted later by its rate',
      targets({ admittedAtMs: rated }, { admittedAtMs: dueAt }),
      'SCHEDULED: rate a, until-due b',
      ['a', 'b'],
    ],
    [
      'one being prepared',
      targets({ preparingSinceMs: now }, {}),
      'SCHEDULED: preparing a, until-due b',
      ['a', 'b'],
    ],
    [
      'a pause, and a hold on one',
      {
        paused: { atMs: now, memberId: 'author', reason: null },
        holds: [{ holdId: 'h', scope: 'profile', subject: 'profile of b', reason: 'Storm' }],
        ...targets({}, {}),
      },
      'SCHEDULED: paused, hold b, until-due',
      [],
    ],
    [
      'a failed one beside one that waits',
      targets({ phase: 'FAILED' }, { dueAtMs: dueAt + hour }),
      'SCHEDULED: until-due, operator a',
      ['b'],
    ],
    [
      'all of them archived',
      { archived: true, ...targets({ phase: 'FAILED' }, { phase: 'PUBLISHED' }) },
      'PARTIALLY_PUBLISHED: ',
      [],
    ],
  ])('wait for %s', (_what, fields, expected, ready) => {
    const state = readyState(fields);
    expect(verdict(state)).toBe(expected);
    expect(readyIds(state)).toEqual(ready);
  });

  it('show neither rate nor lateness before the gates are open', () => {
    const late = { readyAtMs: null, ...targets({ admittedAtMs: rated }, { dueAtMs: now }) };
    const state = { ...withApproved(postState(late), ['content', 'design']) };
    expect(verdict(state)).toBe('SCHEDULED: gate publish, until-due a, until-due b');
  });

  it('say when, and why', () => {
    const state = readyState({
      paused: { atMs: now, memberId: 'author', reason: 'The wrong picture' },
      holds: [
        { holdId: 'h', scope: 'platform', subject: 'linkedin', reason: 'Outage' },
        { holdId: 'i', scope: 'tenant', subject: null, reason: 'Storm' },
      ],
      ...targets({ admittedAtMs: rated }, { preparingSinceMs: now, dueAtMs: dueAt + hour }),
    });
    expect(evaluate(state).blockedOn).toEqual([
      { code: 'paused', message: 'The post is paused: The wrong picture; resume it' },
      { code: 'hold', message: 'A hold on the platform linkedin stops it: Outage' },
      { code: 'hold', message: 'A hold on the tenant stops it: Storm' },
      {
        ...{ code: 'rate', targetId: 'a', at: at(rated) },
        message: `The rate of linkedin admits it at ${at(rated)}`,
      },
      {
        ...{ code: 'preparing', targetId: 'b', at: at(dueAt + hour) },
        message: `Media are being prepared for linkedin; due at ${at(dueAt + hour)}`,
      },
    ]);
  });

  it('ask for the media of the neediest of them', () => {
    const facts = (type: PostState['type'], ...types: TargetState['type'][]) =>
      mediaNeededFor({ type, targets: types.map((one) => target('a', { type: one })) });
    expect(facts('SINGLE_IMAGE', 'SINGLE_IMAGE', 'TEXT_ONLY')).toBe(1);
    expect(facts('SINGLE_IMAGE', 'CAROUSEL', 'TEXT_ONLY')).toBe(2);
    expect(facts('CAROUSEL', 'SINGLE_IMAGE')).toBe(2);
    expect(facts('TEXT_ONLY', 'TEXT_ONLY')).toBe(0);
    const one = withApproved(postState(targets({ type: 'CAROUSEL' })), ['content']);
    expect(verdict(one)).toBe('NEEDS_DESIGN: media, gate design, until-due');
    expect(refusalOf(one, approve('design'))).toBe('media-missing');
  });
});

describe('scheduling targets', () => {
  const later = dueAt + hour;
  const state = readyState(
    targets({ admittedAtMs: rated }, { dueAtMs: later, admittedAtMs: later }, { phase: 'PUBLISHED' }),
  );

  it('gives those named a time of their own and leaves the others theirs', () => {
    const { state: next, timeline } = apply(
      state,
      schedule(dueAt, { dueAtMs: null, targets: [{ targetId: 'a', dueAtMs: later + 1 }] }),
    );
    expect([next.dueAtMs, dues(next)]).toEqual([dueAt, [later + 1, later, null]]);
    expect(timeline).toMatchObject([{ type: 'post.scheduled', data: { dueAt: at(dueAt), targets: 'a' } }]);
  });

  it("gives a target the post's time again", () => {
    const next = stateAfter(state, schedule(dueAt + 5, { targets: [{ targetId: 'b', dueAtMs: null }] }));
    expect([next.dueAtMs, dues(next)]).toEqual([dueAt + 5, [null, null, null]]);
  });

  it('can be done before the post itself has a due time', () => {
    const unscheduled = readyState({ dueAtMs: null, ...targets({}, {}) });
    const { state: next, timeline } = apply(
      unscheduled,
      schedule(0, { dueAtMs: null, targets: [{ targetId: 'b', dueAtMs: dueAt }] }),
    );
    expect(verdict(next)).toBe('SCHEDULED: due-time a, until-due b');
    expect(timeline[0]!.data.dueAt).toBeNull();
  });

  it('leaves alone what has gone out, and moves what has failed', () => {
    const mixed = readyState(targets({ phase: 'PUBLISHED' }, { phase: 'FAILED' }, {}));
    const all = ['a', 'b', 'c'].map((targetId) => ({ targetId, dueAtMs: later }));
    expect(dues(stateAfter(mixed, schedule(dueAt, { targets: all })))).toEqual([null, later, later]);
  });

  it('asks the rate anew for whom the time changes, and for nobody else', () => {
    const admitted = (next: PostState) => next.targets.map(({ admittedAtMs }) => admittedAtMs);
    expect(admitted(stateAfter(state, schedule(dueAt + 5)))).toEqual([null, later, null]);
    expect(admitted(stateAfter(state, schedule(dueAt)))).toEqual([rated, later, null]);
    const moved = schedule(dueAt, { dueAtMs: null, targets: [{ targetId: 'b', dueAtMs: later + 5 }] });
    expect(admitted(stateAfter(state, moved))).toEqual([rated, null, null]);
    const failed = readyState(targets({ phase: 'FAILED', admittedAtMs: rated }));
    expect(admitted(stateAfter(failed, retry(null)))).toEqual([null]);
  });

  it('forgets that media were late for the old time, and no failure', () => {
    const error = { code: 'still-preparing', message: 'Its media were still being prepared' };
    const late = readyState(targets({ error }, { phase: 'FAILED', error }, { error, dueAtMs: later }));
    const next = stateAfter(late, schedule(dueAt + 5));
    expect(next.targets.map((one) => one.error?.code ?? null)).toEqual([
      null,
      'still-preparing',
      'still-preparing',
    ]);
  });

  it('comes with the submission of what was a draft', () => {
    const draft = stateAfter(postState(targets({}, { dueAtMs: later })), withdraw());
    const times = [
      { targetId: 'a', dueAtMs: later + 1 },
      { targetId: 'b', dueAtMs: null },
    ];
    const next = stateAfter(draft, submit({ dueAtMs: dueAt + 2, targets: times }));
    expect([next.dueAtMs, dues(next)]).toEqual([dueAt + 2, [later + 1, null]]);
  });
});

describe('a new due time', () => {
  const reopening = (...all: Gate[]) =>
    resolvePostPolicy([[Object.fromEntries(all.map((gate) => [gate, { reopensOnDueTime: true }]))]]);
  const command = {
    'of the post': schedule(dueAt + hour),
    'of a target': schedule(0, { dueAtMs: null, targets: [{ targetId: 'a', dueAtMs: dueAt + hour }] }),
  };

  it.each(
    Object.entries(command).flatMap(([whose, one]) =>
      [[], ['publish'], ['content'], ['content', 'publish'], [...gates]].map(
        (asked) => [whose, asked as Gate[], one] as const,
      ),
    ),
  )('%s takes the approvals of %j back where the policy asks for it', (_whose, asked, one) => {
    const before = readyState({ policy: reopening(...asked) });
    const { state, timeline } = apply(before, one);
    const reopened = gates.filter((gate) => state.gates[gate].status === 'pending');
    expect(reopened).toEqual(asked);
    expect(reopened.every((gate) => state.gates[gate].round === 2)).toBe(true);
    expect(timeline[0]!.data.reopened).toBe(asked.length > 0 ? asked.join(', ') : undefined);
    expect(timeline.slice(1).map(({ type, data }) => `${type} ${data.gate}`)).toEqual(
      asked.slice(0, 1).map((gate) => `gate.opened ${gate}`),
    );
    expect(state.readyAtMs).toBe(asked.length > 0 ? null : now);
    expect(readyIds(stateAfter(state, ...asked.map((gate) => approve(gate))))).toEqual(['a']);
  });

  it('takes back neither votes nor rejections', () => {
    const quorum: GatePolicyLayer = { quorum: 2, reopensOnDueTime: true };
    const voted = stateAfter(postState({ policy: policy({}, quorum) }), approve('content'));
    expect(stateAfter(voted, command['of the post']).gates.content).toEqual(voted.gates.content);
    const sentBack = stateAfter(readyState({ policy: reopening('design') }), reject('design'));
    expect(stateAfter(sentBack, command['of the post']).gates.design.status).toBe('rejected');
  });

  it('is not what publishing now asks for', () => {
    const before = readyState({ policy: reopening(...gates) });
    expect(readyIds(stateAfter(before, publishNow()))).toEqual(['a']);
  });
});

describe('publishing now', () => {
  const own = dueAt + hour;

  it('moves all that wait, whatever their times were', () => {
    const state = readyState(targets({}, { dueAtMs: own, admittedAtMs: own }, { dueAtMs: now + 1 }));
    const next = stateAfter(state, publishNow());
    expect([next.dueAtMs, dues(next)]).toEqual([now, [null, null, null]]);
    expect(next.targets[1]!.admittedAtMs).toBeNull();
    expect(verdict(next)).toBe('SCHEDULED: until-due');
  });

  it('keeps the time of what is due already, and the instant its rate gave it', () => {
    const due = { dueAtMs: now - hour, admittedAtMs: now + 5 };
    const state = readyState({ readyAtMs: now - 2 * hour, ...targets(due, {}, { dueAtMs: own }) });
    const next = stateAfter(state, publishNow());
    expect(dues(next)).toEqual([now - hour, null, null]);
    expect(next).toMatchObject({ dueAtMs: now, targets: [{ admittedAtMs: now + 5 }, {}, {}] });
    // What is due by the post's time keeps it as its own.
    const shared = readyState({
      ...{ readyAtMs: now - 2 * hour, dueAtMs: now - hour },
      ...targets({}, { dueAtMs: own }),
    });
    const moved = stateAfter(shared, publishNow());
    expect([moved.dueAtMs, dues(moved)]).toEqual([now, [now - hour, null]]);
  });

  it('changes no time where everything is due already', () => {
    const state = readyState({ readyAtMs: now - hour, dueAtMs: now, ...targets({}, { dueAtMs: now - 1 }) });
    const next = stateAfter(state, publishNow());
    expect([next.dueAtMs, dues(next)]).toEqual([now, [null, now - 1]]);
  });

  it('takes on what is held as late, by a hold as well', () => {
    const state = readyState({
      ...{ readyAtMs: now - 2 * hour, dueAtMs: now - hour },
      ...targets({ freeSinceMs: now - 1 }, {}),
    });
    expect(verdict(state)).toBe('SCHEDULED: late a, until-due b');
    const next = stateAfter(state, publishNow());
    expect(dues(next)).toEqual([null, now - hour]);
    expect(readyIds(next)).toEqual(['a', 'b']);
  });

  it('leaves what is settled or on its way as it was', () => {
    const state = readyState(
      targets({ phase: 'RECONCILING' }, { phase: 'FAILED', dueAtMs: own }, { dueAtMs: own }),
    );
    const next = stateAfter(state, publishNow());
    // What is being asked about was due by the post's time, which has become another.
    expect(dues(next)).toEqual([dueAt, own, null]);
    expect(next.targets.map(({ phase }) => phase)).toEqual(['RECONCILING', 'FAILED', 'WAITING']);
  });
});

describe('a pause', () => {
  it('names who paused the post and why, and lets the reviews go on', () => {
    const { state, timeline } = apply(postState(), pause({ reason: 'The wrong picture' }), now + 1);
    expect(state.paused).toEqual({ atMs: now + 1, memberId: 'author', reason: 'The wrong picture' });
    expect(timeline).toMatchObject([
      { type: 'post.paused', actorId: 'author', data: { reason: 'The wrong picture' } },
    ]);
    const reviewed = stateAfter(state, approve('content'), approve('design'), approve('publish'));
    expect(verdict(reviewed)).toBe('SCHEDULED: paused, until-due');
    expect(readyIds(reviewed)).toEqual([]);
    const resumed = apply(reviewed, resume(), now + 2);
    expect(resumed.timeline).toMatchObject([{ type: 'post.resumed', actorId: 'author' }]);
    expect(resumed.state).toMatchObject({ paused: null, readyAtMs: now + 2 });
    expect(readyIds(resumed.state)).toEqual(['a']);
  });

  it('stays while the post is edited, scheduled, withdrawn and submitted again', () => {
    const paused = stateAfter(readyState(), pause(), schedule(dueAt + hour), withdraw(), submit());
    expect(paused.paused).not.toBeNull();
    expect(stateAfter(readyState(), pause(), withdraw(), resume()).paused).toBeNull();
  });

  it('does not hold up what is in doubt, and is not for what has gone out', () => {
    expect(refusalOf(readyState(targets({ phase: 'RECONCILING' })), pause())).toBe('already-publishing');
    expect(refusalOf(readyState(targets({ phase: 'UNCONFIRMED' })), pause())).toBe('already-publishing');
    expect(stateAfter(readyState(targets({ phase: 'FAILED' })), pause()).paused).not.toBeNull();
  });

  it('holds a retry back until it is over', () => {
    const paused = stateAfter(readyState(targets({ phase: 'FAILED' })), pause(), retry(null));
    expect(verdict(paused)).toBe('SCHEDULED: paused, until-due');
    expect(readyIds(stateAfter(paused, resume()))).toEqual(['a']);
  });
});

it('counts a media-less text target of a picture among the targets of its post', () => {
  const revision = revisionRef({ mediaCount: 1 });
  const state = readyState({ revision, ...targets({ type: 'SINGLE_IMAGE' }, { type: 'TEXT_ONLY' }) });
  expect(readyIds(state)).toEqual(['a', 'b']);
});

describe('a due time of its own', () => {
  const later = { targetId: 'a', dueAtMs: dueAt + 5 * hour };

  it('is kept for a target in doubt, which may yet be sent again', () => {
    const state = readyState({ targets: [target('a', { phase: 'UNCONFIRMED' }), target('b')] });
    const scheduled = stateAfter(state, schedule(dueAt, { targets: [later] }));
    const again = stateAfter(scheduled, resolve('a', 'resend'));
    expect(again.targets[0]).toMatchObject({ phase: 'WAITING', dueAtMs: later.dueAtMs });
  });
});
