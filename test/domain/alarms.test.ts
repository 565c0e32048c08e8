import { archiveAfterMs, nextAlarmAtMs, noteRest, ringAlarms, timesOf } from '../../domain/alarms.ts';
import type { Change } from '../../domain/change.ts';
import type { TimelineEntry } from '../../domain/commands.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import type { GatePolicyLayer } from '../../domain/policy.ts';
import type { PostState, TargetPhase } from '../../domain/post-state.ts';
import { openPost } from '../../domain/reducer.ts';
import {
  actor,
  apply,
  approve,
  archive,
  author,
  cancel,
  deepFreeze,
  edit,
  hour,
  now,
  pause,
  policy,
  postState,
  Random,
  readyState,
  refusalOf,
  reject,
  retry,
  revisionRef,
  schedule,
  second,
  stateAfter,
  submit,
  target,
  withdraw,
} from './builders.ts';

const day = 24 * hour;
const text = { type: 'TEXT_ONLY', revision: revisionRef({ mediaCount: 0 }) } as const;
/** A text at its content gate since `now`, due in a year. */
const opened = (layer: GatePolicyLayer = {}, fields: Partial<PostState> = {}): PostState => {
  const fresh = postState({ ...text, policy: policy({}, layer), dueAtMs: now + 365 * day, ...fields });
  return openPost(deepFreeze(fresh), author, now).state;
};
const phases = (...all: TargetPhase[]) => ({
  targets: all.map((phase, index) => target('abc'[index]!, { phase })),
});
/** `gate.reminded content 1/3 @24`: what was told, and after how many hours. */
const lineOf = ({ type, data, atMs }: TimelineEntry): string =>
  [
    type,
    data.gate,
    data.reminder && `${data.reminder}/${data.of}`,
    `@${Math.round((atMs - now) / 36_000) / 100}`,
  ]
    .filter(Boolean)
    .join(' ');

/** Rings what has come due; a due alarm that does not ring would keep a run awake for ever. */
function ring(state: PostState, atMs: number): Change {
  const change = ringAlarms(deepFreeze(state), atMs);
  if (!change) throw new Error(`Nothing rings at ${new Date(atMs).toISOString()}`);
  const nextAtMs = nextAlarmAtMs(change.state);
  if (nextAtMs !== null && nextAtMs <= atMs) throw new Error('What has rung is due again');
  return change;
}

/** Rings everything at its own instant, up to `hours` from now. */
function ringUntil(state: PostState, hours: number): { state: PostState; told: string[] } {
  const told: string[] = [];
  let reached = state;
  for (let atMs = nextAlarmAtMs(reached); atMs !== null && atMs <= now + hours * hour; ) {
    const change = ring(reached, atMs);
    told.push(...change.timeline.map(lineOf));
    reached = change.state;
    atMs = nextAlarmAtMs(reached);
  }
  return { state: reached, told };
}

describe('a gate that waits for people', () => {
  it.each<[string, GatePolicyLayer, string[]]>([
    [
      'by default',
      {},
      [
        'gate.warned content @18',
        'gate.reminded content 1/3 @24',
        'gate.reminded content 2/3 @48',
        'gate.reminded content 3/3 @72',
        'gate.escalated content @96',
      ],
    ],
    [
      'by a shorter policy',
      { slaHours: 10, slaWarningPercent: 50, reminderEveryHours: 2, reminders: 2 },
      [
        'gate.warned content @5',
        'gate.reminded content 1/2 @10',
        'gate.reminded content 2/2 @12',
        'gate.escalated content @14',
      ],
    ],
    [
      'without reminders: it escalates with the end of the SLA',
      { reminders: 0 },
      ['gate.warned content @18', 'gate.escalated content @24'],
    ],
    [
      'with the warning at the end of the SLA: the reminder says it all',
      { slaWarningPercent: 100, reminders: 1 },
      ['gate.reminded content 1/1 @24', 'gate.escalated content @48'],
    ],
    ['with neither', { slaWarningPercent: 100, reminders: 0, slaHours: 1 }, ['gate.escalated content @1']],
    [
      'by fractions of an hour',
      { slaHours: 1.1, slaWarningPercent: 33.3, reminderEveryHours: 1.7, reminders: 1 },
      ['gate.warned content @0.37', 'gate.reminded content 1/1 @1.1', 'gate.escalated content @2.8'],
    ],
  ])('warns, reminds and escalates %s', (_what, layer, expected) => {
    expect(ringUntil(opened(layer), 10_000).told).toEqual(expected);
  });

  it('tells at whole milliseconds, whatever fractions the policy holds', () => {
    const { policy: resolved } = opened({
      slaHours: 1.234_567_89,
      slaWarningPercent: 33.333,
      reminderEveryHours: 1.1,
    });
    const { remindersAtMs, ...times } = timesOf(resolved.content, now);
    const all = [...remindersAtMs, ...Object.values(times)];
    expect(all.filter((atMs) => !Number.isInteger(atMs))).toEqual([]);
  });

  it('says until when, how often, and who may decide from then on', () => {
    const designers = { roles: ['graphic_designer'], memberIds: [] } as const;
    const state = opened({ deciders: designers, reminders: 1 });
    const warned = ring(state, now + 18 * hour);
    expect(warned.timeline).toEqual([
      {
        type: 'gate.warned',
        atMs: now + 18 * hour,
        actorId: null,
        actorName: null,
        data: { gate: 'content', round: 1, overdueAt: '2026-05-05T09:00:00.000Z' },
      },
    ]);
    const reminded = ring(warned.state, now + 24 * hour);
    expect(reminded.timeline[0]!.data).toEqual({ gate: 'content', round: 1, reminder: 1, of: 1 });
    const escalated = ring(reminded.state, now + 48 * hour);
    expect(escalated.timeline[0]!.data).toEqual({
      gate: 'content',
      round: 1,
      deciders: 'graphic_designer or tenant_admin',
    });
    expect([warned, reminded, escalated].map(({ state: { version } }) => version)).toEqual([2, 3, 4]);
    expect([warned, reminded, escalated].flatMap(({ decisions }) => decisions)).toEqual([]);
  });

  it('lets those whom the escalation adds decide, and nobody before', () => {
    const deciders = { roles: ['graphic_designer'], memberIds: [] } as const;
    const state = opened({ deciders, escalateTo: { roles: ['tenant_admin'], memberIds: ['ada'] } });
    const late = ringUntil(state, 95).state;
    const added = [
      approve('content', { actor: second }),
      approve('content', { actor: actor('ada', 'viewer') }),
    ];
    for (const command of [...added, reject('content', { actor: second })])
      expect(refusalOf(late, command)).toBe('may-not-decide');
    expect(evaluate(late).blockedOn[0]!.message).toBe(
      'The content gate waits for graphic_designer; overdue, reminded 3 times',
    );
    const escalated = ringUntil(late, 96).state;
    for (const command of added) expect(stateAfter(escalated, command).gates.content.status).toBe('approved');
    expect(stateAfter(escalated, reject('content', { actor: second })).gates.content.status).toBe('rejected');
    expect(refusalOf(escalated, approve('content', { actor: actor('eve', 'viewer') }))).toBe(
      'may-not-decide',
    );
    const designer = actor('dee', 'graphic_designer');
    expect(stateAfter(escalated, approve('content', { actor: designer })).gates.content.status).toBe(
      'approved',
    );
    expect(evaluate(escalated).blockedOn[0]!.message).toBe(
      'The content gate waits for graphic_designer or tenant_admin or ada; overdue, reminded 3 times',
    );
    // What escalated was the content gate, not the post.
    const publishing = stateAfter(escalated, approve('content', { actor: second }));
    expect(refusalOf(publishing, approve('publish', { actor: second }))).toBe('may-not-decide');
  });

  it.each<[number, string[], string[]]>([
    [20, ['gate.warned content @20'], ['gate.reminded content 1/3 @24']],
    [24, ['gate.reminded content 1/3 @24'], ['gate.reminded content 2/3 @48']],
    [50, ['gate.reminded content 2/3 @50'], ['gate.reminded content 3/3 @72', 'gate.escalated content @96']],
    [80, ['gate.reminded content 3/3 @80'], ['gate.escalated content @96']],
    [500, ['gate.reminded content 3/3 @500', 'gate.escalated content @500'], []],
  ])('tells once what an outage of %i hours has missed, and goes on from there', (hours, missed, next) => {
    const { state, timeline } = ring(opened(), now + hours * hour);
    expect(timeline.map(lineOf)).toEqual(missed);
    expect(ringUntil(state, 1_000).told.slice(0, next.length || 1)).toEqual(next);
  });

  it.each<[string, PostState]>([
    ['has been rejected', stateAfter(opened(), reject('content'))],
    ['belongs to a draft', stateAfter(opened(), withdraw())],
    ['belongs to a post that was cancelled', stateAfter(opened(), cancel())],
    ['belongs to a cancelled post in doubt', { ...opened(), cancelledAtMs: now, ...phases('UNCONFIRMED') }],
    ['belongs to a post that has expired', { ...opened(), expiredAtMs: now }],
    ['belongs to an archived post', { ...opened({}, phases('FAILED')), archived: true, restingSinceMs: now }],
    ['has been passed, with all the others', readyState()],
  ])('is nobody to be reminded of when it %s', (_what, state) => {
    expect(nextAlarmAtMs(state)).toBeNull();
    expect(ringAlarms(state, now + 1_000 * day)).toBeNull();
  });

  it('goes on with its reviews while the post is paused or held', () => {
    const held = opened({}, { holds: [{ holdId: 'h', scope: 'tenant', subject: null, reason: 'Storm' }] });
    for (const state of [held, stateAfter(opened(), pause())])
      expect(ringUntil(state, 24).told).toEqual(['gate.warned content @18', 'gate.reminded content 1/3 @24']);
  });

  it('keeps its clock through a vote, a new due time and an edit of other gates', () => {
    const voted = stateAfter(
      opened({ quorum: 2 }),
      approve('content'),
      schedule(now + 300 * day),
      edit({ publishHash: 'publish-2', mediaCount: 0 }),
    );
    expect(voted.gates.content).toMatchObject({ openedAtMs: now, votes: [{ memberId: 'reviewer' }] });
    expect(ringUntil(voted, 20).told).toEqual(['gate.warned content @18']);
  });

  it('starts its clock anew in a new round', () => {
    const overdue = ringUntil(opened(), 100).state;
    expect(overdue.gates.content).toMatchObject({ reminders: 3, escalatedAtMs: now + 96 * hour });
    const change = { contentHash: 'content-2', publishHash: 'publish-2', mediaCount: 0 };
    const edited = apply(overdue, edit(change), now + 100 * hour).state;
    expect(edited.gates.content).toMatchObject({
      ...{ round: 2, openedAtMs: now + 100 * hour },
      ...{ warnedAtMs: null, reminders: 0, escalatedAtMs: null },
    });
    expect(ringUntil(edited, 124).told).toEqual([
      'gate.warned content @118',
      'gate.reminded content 1/3 @124',
    ]);
  });

  it('starts its clock anew, and loses its escalation, when an earlier gate was opened again meanwhile', () => {
    const publishing = apply(opened(), approve('content'), now + hour).state;
    const escalated = ringUntil(publishing, 97).state;
    expect(escalated.gates.publish).toMatchObject({ openedAtMs: now + hour, escalatedAtMs: now + 97 * hour });
    const sentBack = apply(escalated, reject('content'), now + 98 * hour).state;
    expect(nextAlarmAtMs(sentBack)).toBeNull();
    const again = apply(sentBack, submit(), now + 110 * hour).state;
    expect(nextAlarmAtMs(again)).toBe(now + 128 * hour);
    const { state, timeline } = apply(again, approve('content'), now + 120 * hour);
    expect(state.gates.publish).toMatchObject({
      ...{ round: 1, openedAtMs: now + 120 * hour },
      ...{ warnedAtMs: null, reminders: 0, escalatedAtMs: null },
    });
    expect(timeline.map(lineOf)).toEqual(['gate.approved content @120', 'gate.opened publish @120']);
    expect(ringUntil(state, 144).told).toEqual([
      'gate.warned publish @138',
      'gate.reminded publish 1/3 @144',
    ]);
  });

  it('follows a policy that changes while it waits', () => {
    const waiting = ringUntil(opened(), 30).state;
    const longer = { ...waiting, policy: policy({}, { slaHours: 100, reminders: 2 }) };
    expect(ringUntil(longer, 1_000).told).toEqual([
      'gate.reminded content 2/2 @124',
      'gate.escalated content @148',
    ]);
    const shorter = { ...waiting, policy: policy({}, { slaHours: 2, reminders: 1 }) };
    expect(ring(shorter, now + 31 * hour).timeline.map(lineOf)).toEqual(['gate.escalated content @31']);
  });
});

describe('a post that has come to rest without being out everywhere', () => {
  const resting = (...all: TargetPhase[]) => noteRest(readyState(phases(...all)), now);

  it.each<[TargetPhase[], boolean]>([
    [['FAILED'], true],
    [['UNCONFIRMED'], true],
    [['PUBLISHED', 'FAILED'], true],
    [['CANCELLED', 'UNCONFIRMED'], true],
    [['FAILED', 'UNCONFIRMED'], true],
    [['FAILED', 'WAITING'], false],
    [['FAILED', 'ARMING'], false],
    [['UNCONFIRMED', 'RECONCILING'], false],
    [['WAITING'], false],
    [['PUBLISHED'], false],
    [['CANCELLED', 'PUBLISHED'], false],
  ])('with targets %j rests: %s', (all, rests) => {
    expect(resting(...all).restingSinceMs).toBe(rests ? now : null);
  });

  it('is archived after 30 days, and waits for nobody from then on', () => {
    const state = resting('PUBLISHED', 'FAILED');
    expect(archiveAfterMs).toBe(30 * day);
    expect(nextAlarmAtMs(state)).toBe(now + 30 * day);
    expect(ringAlarms(state, now + 30 * day - 1)).toBeNull();
    const change = ring(state, now + 30 * day);
    expect(change.timeline.map(lineOf)).toEqual(['post.archived @720']);
    expect(evaluate(state).blockedOn.map(({ code }) => code)).toEqual(['operator']);
    expect(evaluate(change.state)).toEqual({ status: 'PARTIALLY_PUBLISHED', blockedOn: [] });
    expect(refusalOf(change.state, retry(null))).toBe('post-closed');
    expect(nextAlarmAtMs(change.state)).toBeNull();
  });

  it('is archived once after an outage, at the end of it', () => {
    const { state, timeline } = ring(resting('UNCONFIRMED'), now + 99 * day);
    expect(timeline.map(lineOf)).toEqual([`post.archived @${99 * 24}`]);
    expect(ringAlarms(state, now + 200 * day)).toBeNull();
  });

  it('counts from the moment it came to rest, not from the last change', () => {
    const state = resting('FAILED');
    expect(noteRest({ ...state, version: 9 }, now + 5 * day).restingSinceMs).toBe(now);
    const bothFailed = noteRest({ ...state, ...phases('UNCONFIRMED') }, now + day);
    expect(bothFailed.restingSinceMs).toBe(now);
  });

  it('begins to count anew when a retry has failed as well', () => {
    const retried = noteRest(apply(resting('FAILED'), retry(null), now + 29 * day).state, now + 29 * day);
    expect(retried.restingSinceMs).toBeNull();
    expect(nextAlarmAtMs(retried)).toBeNull();
    const failed = noteRest({ ...retried, ...phases('FAILED') }, now + 29 * day + hour);
    expect(nextAlarmAtMs(failed)).toBe(now + 59 * day + hour);
  });

  it('can be archived by a person at once', () => {
    const { state, timeline } = apply(resting('FAILED'), archive(), now + hour);
    expect(timeline).toMatchObject([{ type: 'post.archived', actorId: 'author' }]);
    expect(state.archived).toBe(true);
    expect(nextAlarmAtMs(state)).toBeNull();
  });
});

test('an alarm that is due rings, and only once, in 2,000 random waits with outages and changes of policy', () => {
  const firstSeed = 5_000;
  const anyLayer = (random: Random): GatePolicyLayer => ({
    slaHours: random.pick([1, 1.1, 24, 1 + 50 * random.next()]),
    slaWarningPercent: random.pick([1, 75, 100, 1 + 99 * random.next()]),
    reminderEveryHours: random.pick([1, 24, 1 + 10 * random.next()]),
    reminders: random.pick([0, 1, 3, 7]),
  });
  const told = new Map<string, number>();
  for (let seed = firstSeed; seed < firstSeed + 2_000; seed += 1) {
    const random = new Random(seed);
    let state = opened(anyLayer(random));
    let nowMs = now;
    const seen = new Map<string, number>();
    try {
      for (let step = 0; step < 30; step += 1) {
        if (random.chance(0.1)) state = { ...state, policy: policy({}, anyLayer(random)) };
        const atMs = nextAlarmAtMs(state);
        if (atMs === null) break;
        nowMs = Math.max(nowMs, atMs) + (random.chance(0.3) ? Math.floor(60 * hour * random.next()) : 0);
        const change = ring(state, nowMs);
        state = change.state;
        for (const { type } of change.timeline) seen.set(type, (seen.get(type) ?? 0) + 1);
      }
      expect(seen.get('gate.warned') ?? 0).toBeLessThanOrEqual(1);
      expect(seen.get('gate.escalated')).toBe(1);
      expect(nextAlarmAtMs(state) === null || state.gates.content.escalatedAtMs !== null).toBe(true);
    } catch (cause) {
      throw new Error(`Seed ${seed}: ${cause}`, { cause });
    }
    for (const [type, times] of seen) told.set(type, (told.get(type) ?? 0) + times);
  }
  expect(Math.min(...['gate.warned', 'gate.reminded'].map((type) => told.get(type) ?? 0))).toBeGreaterThan(
    500,
  );
});
