import {
  blockCodes,
  evaluate,
  isHeldForLateness,
  isLate,
  lateRule,
  mediaNeeded,
  type PostFacts,
} from '../../domain/lifecycle.ts';
import { latenessRules } from '../../domain/policy.ts';
import { gates, type PostStatus, postStatuses, postTypes } from '../../domain/post.ts';
import {
  type GateState,
  gatesOf,
  hashFor,
  reconnectHold,
  type TargetPhase,
  type TargetState,
  targetPhases,
} from '../../domain/post-state.ts';
import {
  approved,
  dueAt,
  hour,
  isReadyButForTime,
  now,
  pending,
  policy,
  postState,
  Random,
  readyState,
  rejected,
  revisionRef,
  target,
  withApproved,
} from './builders.ts';

/** `STATUS: code gate/target, …`: a verdict in a line. */
function verdict(facts: PostFacts): string {
  const { status, blockedOn } = evaluate(facts);
  const blocks = blockedOn.map(({ code, gate, targetId }) =>
    [code, gate ?? targetId].filter(Boolean).join(' '),
  );
  return `${status}: ${blocks.join(', ')}`;
}
const messages = (facts: PostFacts) => evaluate(facts).blockedOn.map(({ message }) => message);
const phases = (...all: TargetPhase[]) => ({
  targets: all.map((phase, index) => target('abc'[index]!, { phase })),
});
const noMedia = { revision: revisionRef({ mediaCount: 0 }) };
const text = { type: 'TEXT_ONLY', revision: revisionRef({ mediaCount: 0 }) } as const;
const noCopy = { ...text, revision: revisionRef({ mediaCount: 0, hasCopy: false }) };

describe('the status of a post and what it waits for', () => {
  const passed = (fields: Partial<PostFacts>, ...gatesPassed: (typeof gates)[number][]) =>
    withApproved(postState(fields), gatesPassed);

  it.each<[string, PostFacts, string]>([
    ['a draft', postState({ draft: true }), 'DRAFT: submit'],
    ['a text draft without copy', postState({ ...noCopy, draft: true }), 'DRAFT: copy, submit'],
    [
      'a visual draft without copy',
      postState({ revision: revisionRef({ hasCopy: false }), draft: true }),
      'DRAFT: submit',
    ],
    ['a submitted post by a person', postState(), 'IN_REVIEW: gate content, until-due'],
    ['a generated post', postState({ origin: 'ai' }), 'AI_GENERATED: gate content, until-due'],
    ['a submitted post without media', postState(noMedia), 'IN_REVIEW: gate content, media, until-due'],
    [
      'a submitted post without a due time',
      postState({ dueAtMs: null }),
      'IN_REVIEW: gate content, due-time',
    ],
    ['a submitted text without copy', postState(noCopy), 'IN_REVIEW: copy, gate content, until-due'],
    ['approved content', passed({}, 'content'), 'NEEDS_DESIGN: gate design, until-due'],
    [
      'approved content of a generated post',
      passed({ origin: 'ai' }, 'content'),
      'NEEDS_DESIGN: gate design, until-due',
    ],
    [
      'approved content without media',
      passed(noMedia, 'content'),
      'NEEDS_DESIGN: media, gate design, until-due',
    ],
    ['every gate approved but no media', passed(noMedia, ...gates), 'NEEDS_DESIGN: media, until-due'],
    [
      'approved design without a due time',
      passed({ dueAtMs: null }, 'content', 'design'),
      'APPROVED: gate publish, due-time',
    ],
    ['approved design', passed({}, 'content', 'design'), 'SCHEDULED: gate publish, until-due'],
    ['approved text', passed(text, 'content'), 'SCHEDULED: gate publish, until-due'],
    ['a text that was approved everywhere', passed(text, 'content', 'publish'), 'SCHEDULED: until-due'],
    ['every gate approved', readyState(), 'SCHEDULED: until-due'],
    ['every gate approved, no due time', readyState({ dueAtMs: null }), 'APPROVED: due-time'],
    [
      'design and publish approved alone',
      passed({}, 'design', 'publish'),
      'IN_REVIEW: gate content, until-due',
    ],
    [
      'content and publish approved alone',
      passed({}, 'content', 'publish'),
      'NEEDS_DESIGN: gate design, until-due',
    ],
    ['a post approved after it was due', readyState({ readyAtMs: dueAt + 1 }), 'SCHEDULED: late'],
    ['a cancelled post', postState({ cancelledAtMs: now, ...phases('CANCELLED') }), 'CANCELLED: '],
    [
      'a cancelled draft',
      postState({ draft: true, cancelledAtMs: now, ...phases('CANCELLED') }),
      'CANCELLED: ',
    ],
    ['an expired post', postState({ expiredAtMs: now }), 'EXPIRED: '],
  ])('of %s', (_what, facts, expected) => {
    expect(verdict(facts)).toBe(expected);
  });

  it.each<[string, Partial<PostFacts>, string]>([
    [
      'content',
      { gates: { content: rejected(), design: pending(), publish: pending() } },
      'IN_REVIEW: changes-requested content, until-due',
    ],
    [
      'design',
      { gates: { content: approved('content-1'), design: rejected(), publish: pending() } },
      'NEEDS_DESIGN: changes-requested design, until-due',
    ],
    [
      'publish',
      { gates: { content: approved('content-1'), design: approved('design-1'), publish: rejected() } },
      'SCHEDULED: changes-requested publish, until-due',
    ],
  ])('after changes were requested at the %s gate', (_gate, facts, expected) => {
    expect(verdict(postState(facts))).toBe(expected);
  });

  it.each<[TargetPhase[], string]>([
    [['ARMING'], 'PUBLISHING: publishing a'],
    [['RECONCILING'], 'PUBLISHING: publishing a'],
    [['ARMING', 'RECONCILING', 'WAITING'], 'PUBLISHING: publishing a, publishing b'],
    [['PUBLISHED', 'ARMING'], 'PUBLISHING: publishing b'],
    [['UNCONFIRMED', 'ARMING'], 'PUBLISHING: publishing b'],
    [['CANCELLED', 'RECONCILING'], 'PUBLISHING: publishing b'],
    [['PUBLISHED'], 'PUBLISHED: '],
    [['PUBLISHED', 'PUBLISHED'], 'PUBLISHED: '],
    [['PUBLISHED', 'FAILED'], 'PARTIALLY_PUBLISHED: operator b'],
    [['FAILED'], 'FAILED: operator a'],
    [['FAILED', 'FAILED'], 'FAILED: operator a, operator b'],
    [['UNCONFIRMED'], 'UNCONFIRMED: operator a'],
    [['PUBLISHED', 'FAILED', 'UNCONFIRMED'], 'UNCONFIRMED: operator c'],
    [['PUBLISHED', 'CANCELLED'], 'PARTIALLY_PUBLISHED: '],
    [['FAILED', 'CANCELLED'], 'FAILED: operator a'],
    [['PUBLISHED', 'FAILED', 'CANCELLED'], 'PARTIALLY_PUBLISHED: operator b'],
    [['UNCONFIRMED', 'CANCELLED'], 'UNCONFIRMED: operator a'],
    [['PUBLISHED', 'WAITING'], 'SCHEDULED: until-due'],
    [['FAILED', 'WAITING'], 'SCHEDULED: until-due, operator a'],
    [['WAITING', 'UNCONFIRMED'], 'SCHEDULED: until-due, operator b'],
  ])('with targets %j', (all, expected) => {
    expect(verdict(readyState(phases(...all)))).toBe(expected);
  });

  it('is decided by what was sent, also for a post that was cancelled meanwhile', () => {
    const cancelled = (...all: TargetPhase[]) =>
      verdict(readyState({ ...phases(...all), cancelledAtMs: now }));
    expect(cancelled('CANCELLED', 'ARMING')).toBe('PUBLISHING: publishing b');
    expect(cancelled('CANCELLED', 'PUBLISHED')).toBe('PARTIALLY_PUBLISHED: ');
    expect(cancelled('CANCELLED', 'UNCONFIRMED')).toBe('UNCONFIRMED: operator b');
    expect(cancelled('CANCELLED', 'FAILED')).toBe('FAILED: operator b');
    expect(cancelled('CANCELLED', 'WAITING')).toBe('CANCELLED: ');
    expect(cancelled('CANCELLED', 'CANCELLED')).toBe('CANCELLED: ');
  });

  it('is never GENERATING: that is before there is a post to evaluate', () => {
    expect(postStatuses).toContain('GENERATING');
    expect(blockCodes).toHaveLength(15);
  });
});

describe('the words of a block', () => {
  it('name who may decide, and how many approvals are missing', () => {
    expect(messages(postState())).toEqual([
      'The content gate waits for content_manager or tenant_admin',
      'Due at 2026-05-04T10:00:00.000Z',
    ]);
    const two = postState({ policy: policy({}, { quorum: 2 }) });
    expect(messages(two)[0]).toMatch(/tenant_admin \(2 of 2 approvals missing\)$/);
    const votes = [{ memberId: 'reviewer', hash: 'content-1', atMs: now }];
    expect(messages({ ...two, gates: { ...two.gates, content: pending({ votes }) } })[0]).toMatch(
      /\(1 of 2 approvals missing\)$/,
    );
  });

  it('say what is missing, what was asked for, and when time alone removes it', () => {
    expect(messages(postState(noCopy))[0]).toBe('A text post needs copy');
    const carousel = postState({ type: 'CAROUSEL' });
    expect(messages(carousel)[1]).toBe('Media is missing: 1 of at least 2 for CAROUSEL');
    const content = rejected('Too loud');
    expect(messages(postState({ gates: { content, design: pending(), publish: pending() } }))[0]).toBe(
      'Changes requested at the content gate: Too loud',
    );
    expect(evaluate(readyState()).blockedOn).toEqual([
      { code: 'until-due', message: 'Due at 2026-05-04T10:00:00.000Z', at: '2026-05-04T10:00:00.000Z' },
    ]);
    expect(messages(postState({ dueAtMs: null }))[1]).toBe('No due time is set');
    expect(messages(postState({ draft: true }))).toEqual(['The draft has not been submitted for review']);
    expect(messages(readyState({ readyAtMs: dueAt + 1 }))).toEqual([
      'Ready only after it was due (2026-05-04T10:00:00.000Z): reschedule it, publish it now, or cancel it',
    ]);
  });

  it('tell an operator which platform it is about and why', () => {
    const error = { code: 'rejected', message: 'Copy too long' };
    const failed = target('a', { phase: 'FAILED', error });
    const doubtful = target('b', { phase: 'UNCONFIRMED', platform: 'instagram' });
    expect(messages(readyState({ targets: [failed] }))).toEqual([
      'linkedin did not take the post: Copy too long; retry or cancel',
    ]);
    expect(messages(readyState({ targets: [failed, doubtful] }))).toEqual([
      'Nobody can tell whether instagram took the post; a person must look',
    ]);
    expect(messages(readyState(phases('ARMING', 'RECONCILING')))).toEqual([
      'Armed for linkedin, or being sent',
      'Asking linkedin whether the last attempt took effect',
    ]);
  });
});

describe('lateness', () => {
  const late = (fields: Partial<PostFacts> = {}): PostFacts =>
    readyState({ readyAtMs: dueAt + 1, ...fields });

  it('begins after the due time, not at it, and not before the last gate has opened', () => {
    expect(isLate({ readyAtMs: dueAt, dueAtMs: dueAt })).toBe(false);
    expect(isLate({ readyAtMs: dueAt + 1, dueAtMs: dueAt })).toBe(true);
    expect(isLate({ readyAtMs: null, dueAtMs: dueAt })).toBe(false);
    expect(isLate({ readyAtMs: now, dueAtMs: null })).toBe(false);
  });

  it('holds, and is no longer ready, by the rule of the gate that opened last', () => {
    const rules = policy({ content: { lateness: 'hold' }, publish: { lateness: 'publish' } });
    expect(isReadyButForTime(late())).toBe(false);
    expect(isHeldForLateness(late({ policy: rules, lastGate: 'content' }))).toBe(true);
    expect(isHeldForLateness(late({ policy: rules, lastGate: 'publish' }))).toBe(false);
    expect(isReadyButForTime(late({ policy: rules, lastGate: 'publish' }))).toBe(true);
    expect(verdict(late({ policy: rules, lastGate: 'publish' }))).toBe('SCHEDULED: until-due');
    expect(lateRule({ ...late({ policy: rules }), lastGate: null })).toBe('publish');
  });

  it('is over with a new due time', () => {
    expect(isReadyButForTime(late({ dueAtMs: dueAt + hour }))).toBe(true);
  });

  it('does not show before the gates are open', () => {
    const reopened = { ...late(), gates: { ...late().gates, publish: pending() } };
    expect(verdict(reopened)).toBe('SCHEDULED: gate publish, until-due');
  });

  it('expires only posts that sending has not begun for; of others it holds the rest', () => {
    const rule = { policy: policy({}, { lateness: 'expire' }) };
    expect(lateRule(late({ ...rule, ...phases('WAITING', 'WAITING') }))).toBe('expire');
    expect(lateRule(late({ ...rule, ...phases('PUBLISHED', 'WAITING') }))).toBe('hold');
    expect(lateRule(late({ ...rule, targets: [target('a', { cycle: 2 })] }))).toBe('hold');
    expect(verdict(late({ ...rule, ...phases('PUBLISHED', 'WAITING') }))).toBe('SCHEDULED: late');
  });
});

it('asks for two pieces of media in a carousel, one for every other visual type, none for text', () => {
  expect(postTypes.map((type) => [type, mediaNeeded(type)])).toEqual([
    ['TEXT_ONLY', 0],
    ['SINGLE_IMAGE', 1],
    ['CAROUSEL', 2],
    ['VIDEO', 1],
    ['STORY', 1],
    ['REEL', 1],
  ]);
});

it.each(['content', 'design', 'publish'] as const)(
  'is not ready while the %s gate was passed on another hash than the current one',
  (gate) => {
    const ready = readyState();
    expect(isReadyButForTime(ready)).toBe(true);
    const stale = { ...ready, gates: { ...ready.gates, [gate]: approved('of before') } };
    expect(isReadyButForTime(stale)).toBe(false);
  },
);

const anyHolds: PostFacts['holds'] = [
  { holdId: 'h', scope: 'tenant', subject: null, reason: 'Storm' },
  { holdId: 'h', scope: 'profile', subject: target('a').profileId, reason: 'New agency' },
  { holdId: 'h', scope: 'platform', subject: 'instagram', reason: 'Outage' },
  reconnectHold(target('a').profileId, 'linkedin'),
];

/** Facts of every kind, also such as no post comes to; only a cancel cancels every target. */
function anyFacts(random: Random): PostFacts {
  const revision = revisionRef({ hasCopy: random.chance(0.7), mediaCount: random.pick([0, 1, 2]) });
  const anyGate = (gate: (typeof gates)[number]): GateState => {
    if (random.chance(0.1)) return rejected();
    if (random.chance(0.2)) return pending();
    return approved(random.chance(0.9) ? hashFor(gate, revision) : 'of before');
  };
  const type = random.pick(postTypes);
  const count = random.pick([1, 1, 2, 3]);
  const calm = random.chance(0.6);
  const targets = Array.from({ length: count }, (_, index) =>
    target('abc'[index]!, {
      phase: calm ? 'WAITING' : random.pick(targetPhases),
      platform: random.pick(['linkedin', 'instagram']),
      // A text post has no visual targets.
      type: type !== 'TEXT_ONLY' && random.chance(0.05) ? 'CAROUSEL' : 'TEXT_ONLY',
      dueAtMs: random.pick([null, null, null, null, now, dueAt + hour]),
      admittedAtMs: random.pick([null, null, now, dueAt + 2 * hour]),
      freeSinceMs: random.pick([null, null, null, now, dueAt + 1]),
      preparingSinceMs: random.chance(0.1) ? now : null,
    }),
  );
  const isAllCancelled = targets.every(({ phase }) => phase === 'CANCELLED');
  return {
    type,
    origin: random.pick(['human', 'ai']),
    draft: random.chance(0.1),
    revision,
    policy: policy({}, { lateness: random.pick(latenessRules), required: random.chance(0.8) }),
    gates: { content: anyGate('content'), design: anyGate('design'), publish: anyGate('publish') },
    dueAtMs: random.pick([null, now, dueAt, dueAt]),
    readyAtMs: random.pick([null, now, now, dueAt + 1]),
    lastGate: random.pick([null, ...gates]),
    targets,
    holds: random.chance(0.1) ? [random.pick(anyHolds)] : [],
    paused: random.chance(0.05) ? { atMs: now, memberId: 'author', reason: null } : null,
    archived: random.chance(0.02),
    cancelledAtMs: random.chance(0.05) || isAllCancelled ? now : null,
    expiredAtMs: random.chance(0.05) ? now : null,
  };
}

describe('of 20,000 generated posts', () => {
  const random = new Random(20_260_504);
  const cases = Array.from({ length: 20_000 }, () => {
    const facts = anyFacts(random);
    return { facts, ...evaluate(facts), ready: isReadyButForTime(facts) };
  });
  type Case = (typeof cases)[number];
  const violations = (holds: (one: Case) => boolean) => cases.filter((one) => !holds(one)).slice(0, 2);
  const of = (...statuses: PostStatus[]) => cases.filter(({ status }) => statuses.includes(status));
  const has = ({ facts }: Case, ...wanted: TargetPhase[]) =>
    facts.targets.some(({ phase }) => wanted.includes(phase));
  const isPassed = ({ facts }: Case, gate: (typeof gates)[number]) =>
    !gatesOf(facts.type).includes(gate) || facts.gates[gate].status === 'approved';

  it('all statuses but GENERATING and more than a hundred ready posts occur', () => {
    expect(new Set(cases.map(({ status }) => status)).size).toBe(postStatuses.length - 1);
    expect(cases.filter(({ ready }) => ready).length).toBeGreaterThan(100);
    expect(new Set(cases.flatMap(({ blockedOn }) => blockedOn.map(({ code }) => code)))).toEqual(
      new Set(blockCodes),
    );
  });

  it('a closed one waits for nothing and every other for something, but for the rest of a cancelled one', () => {
    const isClosed = ({ status, facts }: Case) =>
      facts.archived || ['PUBLISHED', 'CANCELLED', 'EXPIRED'].includes(status);
    const closed = cases.filter(isClosed);
    expect(closed.filter(({ blockedOn }) => blockedOn.length > 0)).toEqual([]);
    const waits = (one: Case) => isClosed(one) || has(one, 'CANCELLED') || one.blockedOn.length > 0;
    expect(violations(waits)).toEqual([]);
  });

  const dueTimes = ({ facts }: Case) =>
    facts.targets.filter(({ phase }) => phase === 'WAITING').map((one) => one.dueAtMs ?? facts.dueAtMs);

  it('a scheduled one has a due time for what waits, its media, and its content and design passed', () => {
    const isSound = (one: Case) =>
      dueTimes(one).some((atMs) => atMs !== null) &&
      isPassed(one, 'content') &&
      isPassed(one, 'design') &&
      [one.facts, ...one.facts.targets].every(
        ({ type }) => one.facts.revision.mediaCount >= mediaNeeded(type),
      );
    expect(of('SCHEDULED').filter((one) => !isSound(one))).toEqual([]);
  });

  it('an approved one misses only every due time, and its publish gate perhaps', () => {
    const isSound = (one: Case) =>
      dueTimes(one).every((atMs) => atMs === null) && isPassed(one, 'content') && isPassed(one, 'design');
    expect(of('APPROVED').filter((one) => !isSound(one))).toEqual([]);
  });

  it('a ready one has every gate approved on its current hash, and a target that waits and nothing stops', () => {
    const isSound = (one: Case) => {
      const { facts } = one;
      const isFree = (waits: TargetState) => {
        const dueAtMs = waits.dueAtMs ?? facts.dueAtMs;
        const since = [facts.readyAtMs ?? 0, waits.freeSinceMs ?? 0];
        const isLateHold =
          facts.readyAtMs !== null && since.some((atMs) => atMs > dueAtMs!) && lateRule(facts) === 'hold';
        const isHeld = facts.holds.some(
          ({ scope, subject }) =>
            scope === 'tenant' || [waits.profileId, waits.platform as string].includes(subject!),
        );
        return waits.phase === 'WAITING' && dueAtMs !== null && !isLateHold && !isHeld;
      };
      return (
        // A sibling on its way does not hold up a target that waits.
        one.status === (has(one, 'ARMING', 'RECONCILING') ? 'PUBLISHING' : 'SCHEDULED') &&
        !facts.draft &&
        facts.paused === null &&
        facts.cancelledAtMs === null &&
        facts.expiredAtMs === null &&
        gatesOf(facts.type).every(
          (gate) =>
            facts.gates[gate].status === 'approved' &&
            facts.gates[gate].approvedHash === hashFor(gate, facts.revision),
        ) &&
        facts.targets.some(isFree)
      );
    };
    expect(cases.filter((one) => one.ready && !isSound(one))).toEqual([]);
  });

  it('one that is published, partly or wholly, has a target that is', () => {
    expect(of('PUBLISHED', 'PARTIALLY_PUBLISHED').filter((one) => !has(one, 'PUBLISHED'))).toEqual([]);
    expect(of('FAILED').filter((one) => has(one, 'PUBLISHED', 'UNCONFIRMED', 'WAITING'))).toEqual([]);
  });

  it('one is publishing exactly while a target is on its way, unless it has expired', () => {
    const isSound = (one: Case) =>
      (one.status === 'PUBLISHING') === (has(one, 'ARMING', 'RECONCILING') && one.status !== 'EXPIRED');
    expect(violations(isSound)).toEqual([]);
  });

  it('an unconfirmed target is shown as soon as nothing else moves or waits', () => {
    const isSound = (one: Case) =>
      (one.status === 'UNCONFIRMED') ===
      (has(one, 'UNCONFIRMED') && !has(one, 'ARMING', 'RECONCILING', 'WAITING') && one.status !== 'EXPIRED');
    expect(violations(isSound)).toEqual([]);
  });

  it('one without the design gate never needs design', () => {
    expect(of('NEEDS_DESIGN').filter(({ facts }) => facts.type === 'TEXT_ONLY')).toEqual([]);
  });
});
