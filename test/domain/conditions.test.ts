import { applyConditions, type PostConditions } from '../../domain/conditions.ts';
import { evaluate, targetsReadyButForTime } from '../../domain/lifecycle.ts';
import type { GatePolicyLayer, PolicyLayer } from '../../domain/policy.ts';
import { type Gate, gates } from '../../domain/post.ts';
import {
  type GateState,
  type HoldRef,
  type PostState,
  reconnectHold,
  type TargetPhase,
} from '../../domain/post-state.ts';
import { openPost } from '../../domain/reducer.ts';
import {
  apply,
  approve,
  approved,
  author,
  cancel,
  deepFreeze,
  dueAt,
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
  resume,
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

const text = { type: 'TEXT_ONLY', revision: revisionRef({ mediaCount: 0 }) } as const;
const hold = (scope: HoldRef['scope'], subject: string | null = null, holdId = `on ${subject}`): HoldRef => ({
  ...{ holdId, scope, subject },
  reason: 'Storm',
});
const onTenant = hold('tenant');
const onLinkedin = hold('platform', 'linkedin');
const onInstagram = hold('platform', 'instagram');

const known = (fields: Partial<PostConditions> = {}): PostConditions => ({
  ...{ policyVersion: 1, policy: null, holds: [], receipts: [] },
  ...fields,
});
const told = (state: PostState, conditions: Partial<PostConditions>, nowMs = now) =>
  applyConditions(deepFreeze(state), deepFreeze(known(conditions)), nowMs);
/** Conditions that must change something. */
function taken(state: PostState, conditions: Partial<PostConditions>, nowMs = now) {
  const change = told(state, conditions, nowMs);
  if (!change) throw new Error('Nothing changed');
  expect(change.state.version).toBe(state.version + 1);
  return deepFreeze(change);
}
const withPolicy = (state: PostState, layer: PolicyLayer, all: GatePolicyLayer = {}, nowMs = now) =>
  taken(state, { policyVersion: state.policyVersion + 1, policy: policy(layer, all) }, nowMs);
const withHolds = (state: PostState, holds: readonly HoldRef[], nowMs = now) =>
  taken(state, { holds }, nowMs);
const withGates = (state: PostState, fields: Partial<PostState['gates']>): PostState => ({
  ...state,
  gates: { ...state.gates, ...fields },
});
const gatesLine = ({ gates: all }: PostState) =>
  gates.map((gate) => `${gate} ${all[gate].status} ${all[gate].round}`).join(', ');
const story = ({ timeline }: { timeline: readonly { type: string; data: { gate?: unknown } }[] }) =>
  timeline.map(({ type, data }) => [type, data.gate].filter(Boolean).join(' '));
const codes = (state: PostState) =>
  evaluate(state).blockedOn.map(({ code, gate, targetId }) =>
    [code, gate ?? targetId].filter(Boolean).join(' '),
  );
const verdict = (state: PostState) => `${evaluate(state).status}: ${codes(state).join(', ')}`;
const readyIds = (state: PostState) => targetsReadyButForTime(state).map(({ targetId }) => targetId);
const phases = (...all: TargetPhase[]) => ({
  targets: all.map((phase, index) => target('abc'[index]!, { phase })),
});

/** Passed everywhere by policy, on the current hashes. */
const byPolicy = (fields: Partial<PostState> = {}) =>
  openPost(deepFreeze(postState({ policy: policy({}, { required: false }), ...fields })), author, now).state;

describe('conditions that are what the run knows', () => {
  it.each<[string, PostState, Partial<PostConditions>]>([
    ['of the same version', readyState(), {}],
    ['of the same version, resolved again', readyState(), { policy: policy({}, { quorum: 3 }) }],
    [
      'older than it',
      readyState({ policyVersion: 5 }),
      { policyVersion: 4, policy: policy({}, { quorum: 3 }) },
    ],
    ['with the same holds', readyState({ holds: [onTenant, onLinkedin] }), { holds: [onLinkedin, onTenant] }],
    [
      'with the receipt of a target that is being sent or was',
      readyState(phases('ARMING', 'PUBLISHED')),
      {
        receipts: ['a', 'b', 'z'].map((id) => ({
          targetId: id,
          publicId: '1',
          permalink: null,
          publishedAtMs: 1,
        })),
      },
    ],
  ])('change nothing: %s', (_what, state, conditions) => {
    expect(told(state, conditions)).toBeNull();
  });

  it('leave a version behind, and no story, where the policies of others have changed', () => {
    const state = readyState();
    const { state: next, timeline, decisions } = taken(state, { policyVersion: 7, policy: state.policy });
    expect(next).toEqual({ ...state, policyVersion: 7, version: 1 });
    expect([timeline, decisions]).toEqual([[], []]);
  });

  it('wait for a draft to be submitted', () => {
    const draft = stateAfter(byPolicy(), withdraw());
    const conditions = { policyVersion: 2, policy: policy(), holds: [onTenant] };
    expect(told(draft, conditions)).toBeNull();
    const submitted = stateAfter(draft, submit());
    const { state } = taken(submitted, conditions);
    expect(gatesLine(state)).toBe('content pending 3, design pending 3, publish pending 3');
    expect(codes(state)).toEqual(['gate content', 'hold', 'until-due']);
  });
});

describe('a policy that is tightened', () => {
  it.each(gates)('opens the %s gate again where the policy had passed it, and no other', (gate) => {
    const state = byPolicy();
    expect(isReadyButForTime(state)).toBe(true);
    const change = withPolicy(state, { [gate]: { required: true } }, { required: false });
    for (const other of gates)
      expect(change.state.gates[other]).toEqual(
        other === gate ? pending({ round: 2, openedAtMs: now }) : state.gates[other],
      );
    expect(change.state).toMatchObject({ readyAtMs: null, policyVersion: 2 });
    expect(change.timeline).toMatchObject([
      { type: 'post.policy-changed', actorId: null, data: { policyVersion: 2, reopened: gate } },
      { type: 'gate.opened', data: { gate, round: 2 } },
    ]);
    expect(isReadyButForTime(change.state)).toBe(false);
    expect(isReadyButForTime(stateAfter(change.state, approve(gate)))).toBe(true);
  });

  const stricter: GatePolicyLayer = {
    ...{ required: true, quorum: 3, authorMay: false, slaHours: 1 },
    deciders: { roles: [], memberIds: ['nobody'] },
  };
  it('never takes back what a person has decided', () => {
    const lenient = policy({}, { authorMay: true });
    for (const state of [
      readyState(),
      readyState({ policy: lenient }),
      readyState({ policy: policy({}, { required: false }) }),
    ]) {
      const { state: next, timeline } = withPolicy(state, {}, stricter);
      expect(next.gates).toEqual(state.gates);
      expect(next.readyAtMs).toBe(state.readyAtMs);
      expect(timeline).toMatchObject([{ type: 'post.policy-changed', data: { reopened: '' } }]);
      expect(isReadyButForTime(next)).toBe(true);
    }
  });

  it('leaves the rejection of a person and the votes that were cast', () => {
    const sentBack = stateAfter(byPolicy(), reject('content'));
    const { state } = withPolicy(sentBack, {}, stricter);
    expect(gatesLine(state)).toBe('content rejected 1, design pending 2, publish pending 2');
    const voted = stateAfter(postState({ policy: policy({}, { quorum: 2 }) }), approve('content'));
    const { state: next } = withPolicy(voted, {}, { quorum: 3 });
    expect(next.gates.content).toEqual(voted.gates.content);
    expect(evaluate(next).blockedOn[0]!.message).toMatch(/\(2 of 3 approvals missing\)$/);
  });

  it('does not ask for the design of a text', () => {
    const { state } = withPolicy(byPolicy(text), { design: { required: true } }, { required: false });
    expect(isReadyButForTime(state)).toBe(true);
    expect(gatesLine(state)).toBe('content approved 1, design pending 1, publish approved 1');
  });

  it('decides from then on who may, also of a gate that waits', () => {
    const { state } = withPolicy(postState(), { content: { deciders: { roles: [], memberIds: ['third'] } } });
    expect(refusalOf(state, approve('content'))).toBe('may-not-decide');
    expect(stateAfter(state, approve('content', { actor: third })).gates.content.status).toBe('approved');
  });
});

describe('a policy that is loosened', () => {
  it('passes the gate that waits for nobody any more, and opens the next', () => {
    const change = withPolicy(postState(), { content: { required: false } });
    expect(gatesLine(change.state)).toBe('content approved 1, design pending 1, publish pending 1');
    expect(change.state.gates.content).toMatchObject({ decidedBy: 'policy', approvedHash: 'content-1' });
    expect(change.decisions).toMatchObject([
      { gate: 'content', verdict: 'policy', memberId: null, round: 1 },
    ]);
    expect(story(change)).toEqual([
      'post.policy-changed',
      'gate.passed-by-policy content',
      'gate.opened design',
    ]);
    expect(change.state.gates.design.openedAtMs).toBe(now);
  });

  it('passes all of them at once, and the post is ready from then on', () => {
    const { state } = withPolicy(postState(), {}, { required: false }, now + 5);
    expect(state).toMatchObject({ readyAtMs: now + 5, lastGate: 'publish' });
    expect(isReadyButForTime(state)).toBe(true);
  });

  it('does not pass what a person has rejected, nor what there is nothing of', () => {
    const sentBack = stateAfter(postState(), reject('content'));
    expect(gatesLine(withPolicy(sentBack, {}, { required: false }).state)).toMatch(/^content rejected 1/);
    const empty = withApproved(postState({ revision: revisionRef({ mediaCount: 0 }) }), ['content']);
    const { state, decisions } = withPolicy(empty, {}, { required: false });
    expect(gatesLine(state)).toBe('content approved 1, design pending 1, publish pending 1');
    expect(decisions).toEqual([]);
  });

  const votes = (gate: Gate, ...members: string[]): Partial<GateState> => ({
    votes: members.map((memberId, index) => ({ memberId, hash: `${gate}-1`, atMs: now + index })),
  });
  const three = policy({}, { quorum: 3 });

  it('passes a gate whose lowered quorum has been reached, by its last vote', () => {
    const state = stateAfter(
      postState({ policy: three }),
      approve('content'),
      approve('content', { actor: second }),
    );
    const change = withPolicy(state, { content: { quorum: 2 } }, {}, now + 9);
    expect(change.state.gates.content).toEqual({
      ...state.gates.content,
      ...{ status: 'approved', approvedHash: 'content-1', decidedBy: 'second', decidedAtMs: now + 9 },
    });
    expect(story(change)).toEqual(['post.policy-changed', 'gate.approved content', 'gate.opened design']);
    // The votes are on record already.
    expect(change.decisions).toEqual([]);
  });

  it('leaves a gate whose lowered quorum has not been reached', () => {
    const state = stateAfter(postState({ policy: three }), approve('content'));
    const { state: next } = withPolicy(state, { content: { quorum: 2 } });
    expect(next.gates.content).toEqual(state.gates.content);
    expect(gatesLine(stateAfter(next, approve('content', { actor: second })))).toMatch(/^content approved/);
  });

  it('passes every gate whose quorum has been reached, also one behind another', () => {
    const state = withGates(postState({ policy: three }), {
      content: pending(votes('content', 'ada', 'ben')),
      design: approved('design-1'),
      publish: pending(votes('publish', 'ada', 'ben')),
    });
    const change = withPolicy(state, {}, { quorum: 2 });
    expect(gatesLine(change.state)).toBe('content approved 1, design approved 1, publish approved 1');
    expect(change.state).toMatchObject({ readyAtMs: now, lastGate: 'publish' });
    expect(isReadyButForTime(change.state)).toBe(true);
  });

  it.each([
    ['publish', 'SCHEDULED: until-due', null],
    ['hold', 'SCHEDULED: late', null],
    ['expire', 'EXPIRED: ', dueAt + 1],
  ] as const)(
    'after the due time by the rule `%s` of the new policy: %s',
    (lateness, expected, expiredAtMs) => {
      const { state } = withPolicy(postState(), {}, { required: false, lateness }, dueAt + 1);
      expect(verdict(state)).toBe(expected);
      expect(state.expiredAtMs).toBe(expiredAtMs);
    },
  );
});

describe('a hold', () => {
  const both = {
    targets: [target('a'), target('b', { platform: 'instagram', accountKind: 'business' })],
  };

  it.each<[string, HoldRef[], string[]]>([
    ['none', [], ['a', 'b']],
    ['the tenant', [onTenant], []],
    ['one platform', [onInstagram], ['a']],
    ['one profile', [hold('profile', 'profile of a')], ['b']],
    ['both platforms', [onLinkedin, onInstagram], []],
    ['a profile that is no target', [hold('profile', 'profile of z')], ['a', 'b']],
    ['a platform of the name of a profile', [hold('profile', 'linkedin')], ['a', 'b']],
  ])('on %s leaves the other targets ready', (_what, holds, expected) => {
    const state = holds.length > 0 ? withHolds(readyState(both), holds).state : readyState(both);
    expect(readyIds(state)).toEqual(expected);
  });

  it('is told when it is placed and when it is lifted, and stops the post in between', () => {
    const placed = withHolds(readyState(), [onTenant]);
    expect(placed.timeline).toEqual([
      {
        type: 'post.held',
        atMs: now,
        actorId: null,
        actorName: null,
        data: { holdId: 'on null', scope: 'tenant', reason: 'Storm' },
      },
    ]);
    expect(verdict(placed.state)).toBe('SCHEDULED: hold, until-due');
    expect(refusalOf(placed.state, publishNow())).toBe('on-hold');
    const lifted = withHolds(placed.state, [], now + 1);
    expect(story(lifted)).toEqual(['post.hold-lifted']);
    expect(verdict(lifted.state)).toBe('SCHEDULED: until-due');
    expect(isReadyButForTime(lifted.state)).toBe(true);
  });

  it('of a profile that must be connected again says so in words of its own', () => {
    const [waiting] = readyState().targets;
    const broken = reconnectHold(waiting!.profileId, 'linkedin');
    const placed = withHolds(readyState(), [broken]);
    expect(placed.timeline).toMatchObject([
      { type: 'post.needs-reconnect', data: { profileId: waiting!.profileId } },
    ]);
    expect(verdict(placed.state)).toBe('SCHEDULED: reconnect, until-due');
    expect(readyIds(placed.state)).toEqual([]);
    expect(refusalOf(placed.state, publishNow())).toBe('on-hold');
    const back = withHolds(placed.state, [], dueAt + 1);
    expect(story(back)).toEqual(['post.reconnected']);
    expect(back.state.targets[0]!.freeSinceMs).toBe(dueAt + 1);
  });

  it('may follow another at once', () => {
    const { state, timeline } = withHolds(readyState({ holds: [onTenant] }), [onLinkedin]);
    expect(timeline.map(({ type, data }) => `${type} ${data.holdId}`)).toEqual([
      'post.held on linkedin',
      'post.hold-lifted on null',
    ]);
    expect(readyIds(state)).toEqual([]);
    expect(state.targets[0]!.freeSinceMs).toBeNull();
  });

  it('lets the reviews go on', () => {
    const { state } = withHolds(postState(), [onTenant]);
    const reviewed = stateAfter(state, approve('content'), approve('design'), approve('publish'));
    expect(verdict(reviewed)).toBe('SCHEDULED: hold, until-due');
    expect(isReadyButForTime(reviewed)).toBe(false);
  });
});

describe('a stop that outlasts the due time', () => {
  type Stop = (state: PostState, liftedAtMs: number) => PostState;
  const stops: [string, Stop][] = [
    ['hold', (state, atMs) => withHolds(withHolds(state, [onTenant]).state, [], atMs).state],
    ['pause', (state, atMs) => apply(stateAfter(state, pause()), resume(), atMs).state],
  ];
  const rules = [
    ['publish', 'SCHEDULED: until-due', true],
    ['hold', 'SCHEDULED: late', false],
    ['expire', 'EXPIRED: ', false],
  ] as const;
  const cases = stops.flatMap(([name, stop]) => rules.map((rule) => [name, ...rule, stop] as const));

  it.each(cases)('a %s, by the rule `%s`: %s', (_name, lateness, expected, isReady, stop) => {
    const state = readyState({ policy: policy({}, { lateness }) });
    const late = stop(state, dueAt + 1);
    expect(verdict(late)).toBe(expected);
    expect(isReadyButForTime(late)).toBe(isReady);
    expect(late.expiredAtMs).toBe(lateness === 'expire' ? dueAt + 1 : null);
    const inTime = stop(state, dueAt);
    expect(verdict(inTime)).toBe('SCHEDULED: until-due');
    expect(isReadyButForTime(inTime)).toBe(true);
  });

  it.each(stops)('a %s leaves a late post that a new due time, or a person, takes on', (_name, stop) => {
    const late = stop(readyState(), dueAt + 1);
    expect(isReadyButForTime(apply(late, schedule(dueAt + hour), dueAt + 2).state)).toBe(true);
    const taken = apply(late, publishNow(), dueAt + 2).state;
    expect([isReadyButForTime(taken), taken.dueAtMs]).toEqual([true, dueAt + 2]);
  });

  it.each(stops)('a %s ends before the gates do: their moment counts', (_name, stop) => {
    const reviewing = withApproved(postState(), ['content', 'design']);
    const stopped = stop(reviewing, dueAt + 1);
    expect(stopped.readyAtMs).toBeNull();
    expect(verdict(stopped)).toBe('SCHEDULED: gate publish, until-due');
    expect(verdict(apply(stopped, approve('publish'), dueAt + 2).state)).toBe('SCHEDULED: late');
  });

  const both = (fields: Partial<PostState> = {}) =>
    readyState({
      targets: [target('a'), target('b', { platform: 'instagram', accountKind: 'business' })],
      ...fields,
    });

  it('makes late what it stopped, although another hold still stands', () => {
    const held = withHolds(both(), [onLinkedin, onInstagram]).state;
    const half = withHolds(held, [onInstagram], dueAt + 1).state;
    expect(verdict(half)).toBe('SCHEDULED: hold b, late a, until-due b');
    expect(readyIds(half)).toEqual([]);
    const free = withHolds(half, [], dueAt + 2).state;
    expect(verdict(free)).toBe('SCHEDULED: late');
    expect(free.targets.map(({ freeSinceMs }) => freeSinceMs)).toEqual([dueAt + 1, dueAt + 2]);
  });

  it('leaves alone what it never stopped', () => {
    const held = withHolds(both(), [onInstagram]).state;
    const free = withHolds(held, [], dueAt + 1).state;
    expect(readyIds(free)).toEqual(['a']);
    expect(verdict(free)).toBe('SCHEDULED: until-due a, late b');
  });

  it('is over for a target only with the last hold on it', () => {
    const held = withHolds(both(), [onTenant, onLinkedin]).state;
    const half = withHolds(held, [onLinkedin], now + 1).state;
    expect(half.targets.map(({ freeSinceMs }) => freeSinceMs)).toEqual([null, now + 1]);
    expect(readyIds(half)).toEqual(['b']);
  });

  it('expires a post whole or not at all', () => {
    const rule = policy({}, { lateness: 'expire' });
    const later = [target('a'), target('b', { dueAtMs: dueAt + hour })];
    const state = readyState({ policy: rule, targets: later });
    const half = withHolds(withHolds(state, [onTenant]).state, [], dueAt + 1).state;
    expect(half.expiredAtMs).toBeNull();
    expect(verdict(half)).toBe('SCHEDULED: late a, until-due b');
    const whole = withHolds(withHolds(state, [onTenant]).state, [], dueAt + hour + 1).state;
    expect(whole.expiredAtMs).toBe(dueAt + hour + 1);
  });
});

describe('a receipt that came late', () => {
  const receipt = {
    targetId: 'a',
    publicId: 'urn:1',
    permalink: 'https://example.com/1',
    publishedAtMs: now - 5,
  };
  const doubtful = (fields: Partial<PostState> = {}) =>
    readyState({
      targets: [
        target('a', { phase: 'UNCONFIRMED', error: { code: 'outcome-unknown', message: 'No answer' } }),
        target('b', { phase: 'PUBLISHED' }),
      ],
      ...fields,
    });

  it('is adopted, and settles the doubt', () => {
    const { state, timeline } = taken(doubtful(), { receipts: [receipt] });
    expect(state.targets[0]).toEqual({
      ...target('a'),
      ...{ phase: 'PUBLISHED', publicId: 'urn:1', permalink: 'https://example.com/1' },
      ...{ publishedAtMs: now - 5, error: null },
    });
    expect(evaluate(state)).toEqual({ status: 'PUBLISHED', blockedOn: [] });
    expect(timeline).toMatchObject([{ type: 'target.receipt-came-late', data: { targetId: 'a' } }]);
    expect(told(state, { receipts: [receipt] })).toBeNull();
  });

  it.each(['WAITING', 'FAILED', 'CANCELLED'] as const)(
    'is adopted by a run that was put back: %s',
    (phase) => {
      const cancelledAtMs = phase === 'CANCELLED' ? now : null;
      const state = readyState({ targets: [target('a', { phase })], cancelledAtMs });
      expect(evaluate(taken(state, { receipts: [receipt] }).state)).toEqual({
        status: 'PUBLISHED',
        blockedOn: [],
      });
    },
  );

  it('is adopted for a post that was cancelled meanwhile, too', () => {
    const { state } = taken(doubtful({ cancelledAtMs: now }), { receipts: [receipt] });
    expect(evaluate(state).status).toBe('PUBLISHED');
  });
});

describe('a target that may be out without its run knowing', () => {
  const doubt = { targetId: 'a', revisionId: 'revision-1', approvedHash: 'publish-1' };

  it.each(['WAITING', 'FAILED', 'CANCELLED'] as const)('is asked about before anything else: %s', (phase) => {
    const cancelledAtMs = phase === 'CANCELLED' ? now : null;
    const state = readyState({ targets: [target('a', { phase })], cancelledAtMs });
    const change = taken(state, { doubts: [doubt] });
    expect(evaluate(change.state)).toMatchObject({
      status: 'PUBLISHING',
      blockedOn: [{ code: 'publishing' }],
    });
    expect(told(change.state, { doubts: [doubt] })).toBeNull();
  });

  it.each(['ARMING', 'RECONCILING', 'UNCONFIRMED', 'PUBLISHED'] as const)(
    'is left alone where the run knows: %s',
    (phase) => {
      expect(told(readyState({ targets: [target('a', { phase })] }), { doubts: [doubt] })).toBeNull();
    },
  );
});

it('takes policies, holds and receipts on together, in one change', () => {
  const state = byPolicy(phases('UNCONFIRMED', 'WAITING'));
  const change = taken(state, {
    policyVersion: 2,
    policy: policy({}, { required: false, lateness: 'publish' }),
    holds: [onTenant],
    receipts: [{ targetId: 'a', publicId: '1', permalink: null, publishedAtMs: now }],
  });
  expect(story(change)).toEqual(['post.policy-changed', 'post.held', 'target.receipt-came-late']);
  expect(verdict(change.state)).toBe('SCHEDULED: hold, until-due');
  expect(stateAfter(change.state, cancel()).cancelledAtMs).toBe(now);
});
