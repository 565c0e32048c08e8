import {
  defaultPolicy,
  describeDeciders,
  type GatePolicyLayer,
  latenessRules,
  mayDecide,
  type PolicyLayer,
  resolvePostPolicy,
} from '../../domain/policy.ts';
import { gates, type Role, roles } from '../../domain/post.ts';
import { deepFreeze } from './builders.ts';

const content = (layer: GatePolicyLayer): PolicyLayer => ({ content: layer });
/** The content gate resolved over one target with these layers, most specific first. */
const layered = (...layers: (PolicyLayer | null)[]) => resolvePostPolicy(deepFreeze([layers])).content;
/** The content gate of a post over targets with one layer each. */
const over = (...layers: GatePolicyLayer[]) =>
  resolvePostPolicy(deepFreeze(layers.map((one) => [content(one)]))).content;
const managers = { roles: ['content_manager', 'tenant_admin'], memberIds: [] } as const;
const admins = { roles: ['tenant_admin'], memberIds: [] } as const;
const member = (role: Role, memberId = 'member') => ({ role, memberId });

describe('the default policy', () => {
  it('asks at every gate for one approval by a manager or admin who is not the author, and holds late posts', () => {
    const gate = {
      required: true,
      decidersOfAll: [{ ...managers, escalateTo: admins }],
      quorum: 1,
      authorMay: false,
      slaHours: 24,
      slaWarningPercent: 75,
      reminderEveryHours: 24,
      reminders: 3,
      lateness: 'hold',
      reopensOnDueTime: false,
    };
    const expected = { content: gate, design: gate, publish: gate };
    expect(resolvePostPolicy([[]])).toEqual(expected);
    expect(resolvePostPolicy([])).toEqual(expected);
    expect(resolvePostPolicy([[null, {}, { content: {} }]])).toEqual(expected);
    expect(Object.keys(defaultPolicy)).toEqual([...gates]);
  });
});

describe('one target', () => {
  const fields = {
    required: [false, true],
    quorum: [2, 3],
    authorMay: [true, false],
    slaHours: [1, 48],
    slaWarningPercent: [50, 90],
    reminderEveryHours: [1, 48],
    reminders: [0, 9],
    lateness: ['expire', 'publish'],
    reopensOnDueTime: [true, false],
  } as const;

  it.each(Object.entries(fields))(
    'takes %s from the most specific layer that states it',
    (field, [one, other]) => {
      const read = (...layers: (PolicyLayer | null)[]) => layered(...layers)[field as keyof typeof fields];
      const says = (value: unknown) => content({ [field]: value });
      expect(read(says(one), says(other), says(other))).toBe(one);
      expect(read(null, says(one), says(other))).toBe(one);
      expect(read({}, content({}), says(one))).toBe(one);
      expect(read(says(undefined), says(one))).toBe(one);
      expect(read(says(null), says(one))).toBe(one);
    },
  );

  it('mixes fields of several layers', () => {
    const plan = content({ quorum: 3 });
    const profile = content({ quorum: 2, authorMay: true });
    const tenant = content({ quorum: 1, authorMay: false, lateness: 'expire' });
    expect(layered(plan, profile, tenant)).toMatchObject({
      quorum: 3,
      authorMay: true,
      lateness: 'expire',
      slaHours: 24,
    });
  });

  it('takes deciders as a whole, not role by role', () => {
    const named = { roles: [], memberIds: ['ada'] };
    expect(layered(content({ deciders: named }), content({ deciders: managers })).decidersOfAll).toEqual([
      { ...named, escalateTo: admins },
    ]);
  });

  it('resolves each gate apart', () => {
    const resolved = resolvePostPolicy([[{ design: { required: false }, publish: { quorum: 2 } }]]);
    expect(gates.map((gate) => resolved[gate].required)).toEqual([true, false, true]);
    expect(gates.map((gate) => resolved[gate].quorum)).toEqual([1, 1, 2]);
  });

  it('does not change the default for others', () => {
    layered(content({ required: false, quorum: 9 }));
    expect(layered()).toMatchObject({ required: true, quorum: 1 });
  });
});

describe('several targets', () => {
  it('require a gate if any does', () => {
    expect(over({ required: false }, { required: true }).required).toBe(true);
    expect(over({ required: true }, { required: false }).required).toBe(true);
    expect(over({ required: false }, { required: false }).required).toBe(false);
  });

  it('take the highest quorum and the shortest SLA', () => {
    expect(
      over({ quorum: 2, slaHours: 8 }, { quorum: 3, slaHours: 12 }, { quorum: 1, slaHours: 48 }),
    ).toMatchObject({
      quorum: 3,
      slaHours: 8,
    });
  });

  it('warn, remind and escalate as soon as any of them would', () => {
    const slow = { slaWarningPercent: 90, reminderEveryHours: 48, reminders: 5 };
    const quick = { slaWarningPercent: 50, reminderEveryHours: 2, reminders: 0 };
    for (const combined of [over(slow, quick), over(quick, slow)]) expect(combined).toMatchObject(quick);
    expect(over(slow, {})).toMatchObject({ slaWarningPercent: 75, reminderEveryHours: 24, reminders: 3 });
  });

  it('take approvals back with a new due time if any would', () => {
    expect(over({ reopensOnDueTime: true }, {}).reopensOnDueTime).toBe(true);
    expect(over({ reopensOnDueTime: false }, {}).reopensOnDueTime).toBe(false);
  });

  it('come to the same in any order', () => {
    const one = { deciders: { roles: ['tenant_admin'], memberIds: ['ada'] }, quorum: 2 } as const;
    const other = { escalateTo: { roles: ['super_admin'], memberIds: [] }, slaHours: 3 } as const;
    expect(JSON.stringify(over(one, other, {}))).toBe(JSON.stringify(over({}, other, one)));
  });

  it('let the author decide only if all do', () => {
    expect(over({ authorMay: true }, { authorMay: true }).authorMay).toBe(true);
    expect(over({ authorMay: true }, { authorMay: false }).authorMay).toBe(false);
    expect(over({ authorMay: true }, {}).authorMay).toBe(false);
  });

  const stricter = { publish: 0, hold: 1, expire: 2 };
  const pairs = latenessRules.flatMap((one) => latenessRules.map((other) => [one, other] as const));
  it.each(pairs)('of which one says %s and one %s follow the stricter', (one, other) => {
    expect(over({ lateness: one }, { lateness: other }).lateness).toBe(
      stricter[one] > stricter[other] ? one : other,
    );
  });

  it('count a target that says nothing with the defaults', () => {
    expect(over({ required: false, lateness: 'publish', slaHours: 100, quorum: 1 }, {})).toMatchObject({
      required: true,
      lateness: 'hold',
      slaHours: 24,
    });
  });

  it('keep each different rule for deciders once, whatever the order of its names', () => {
    const one = { roles: ['tenant_admin', 'content_manager'], memberIds: ['b', 'a'] } as const;
    const same = { roles: ['content_manager', 'tenant_admin'], memberIds: ['a', 'b'] } as const;
    const other = { roles: ['tenant_admin'], memberIds: ['a', 'b'] } as const;
    expect(over({ deciders: one }, { deciders: same }).decidersOfAll).toHaveLength(1);
    expect(over({ deciders: one }, { deciders: other }, { deciders: same }).decidersOfAll).toHaveLength(2);
    // The same people, but not once the gate has escalated.
    const escalating = { deciders: same, escalateTo: { roles: [], memberIds: ['c'] } };
    expect(over({ deciders: one }, escalating).decidersOfAll).toHaveLength(2);
  });
});

describe('who may decide', () => {
  it.each(roles.map((role) => [role, role === 'content_manager' || role === 'tenant_admin'] as const))(
    'by default: %s %s',
    (role, may) => {
      expect(mayDecide(layered(), member(role))).toBe(may);
    },
  );

  it('is a member with the role, or one who is named', () => {
    const rule = over({ deciders: { roles: ['graphic_designer'], memberIds: ['ada'] } });
    expect(mayDecide(rule, member('graphic_designer'))).toBe(true);
    expect(mayDecide(rule, member('viewer', 'ada'))).toBe(true);
    expect(mayDecide(rule, member('tenant_admin'))).toBe(false);
  });

  it('satisfies the rule of every target, by role at one and by name at another if need be', () => {
    const rule = over(
      { deciders: { roles: ['content_manager'], memberIds: [] } },
      { deciders: { roles: ['tenant_admin'], memberIds: ['ada'] } },
    );
    expect(mayDecide(rule, member('content_manager', 'ada'))).toBe(true);
    expect(mayDecide(rule, member('content_manager'))).toBe(false);
    expect(mayDecide(rule, member('tenant_admin'))).toBe(false);
    expect(mayDecide(rule, member('viewer', 'ada'))).toBe(false);
  });

  it('is, once the gate has escalated, also whom the escalation adds, and nobody less', () => {
    const rule = over({
      deciders: { roles: ['graphic_designer'], memberIds: ['ada'] },
      escalateTo: { roles: ['tenant_admin', 'graphic_designer'], memberIds: ['ben'] },
    });
    const people = [
      member('graphic_designer'),
      member('viewer', 'ada'),
      member('tenant_admin'),
      member('viewer', 'ben'),
      member('content_manager'),
    ];
    expect(people.map((one) => mayDecide(rule, one))).toEqual([true, true, false, false, false]);
    expect(people.map((one) => mayDecide(rule, one, true))).toEqual([true, true, true, true, false]);
    expect(describeDeciders(rule, true)).toBe('graphic_designer or tenant_admin or ada or ben');
  });

  it('is of several rules only whom each of them adds or has', () => {
    const rule = over(
      {
        deciders: { roles: [], memberIds: ['ada'] },
        escalateTo: { roles: ['tenant_admin'], memberIds: [] },
      },
      { deciders: { roles: [], memberIds: ['ben'] }, escalateTo: { roles: [], memberIds: ['ada'] } },
    );
    expect(mayDecide(rule, member('viewer', 'ada'))).toBe(false);
    expect(mayDecide(rule, member('viewer', 'ada'), true)).toBe(true);
    expect(mayDecide(rule, member('tenant_admin'), true)).toBe(false);
    expect(mayDecide(rule, member('tenant_admin', 'ben'), true)).toBe(true);
  });

  it('is nobody where a rule names nobody', () => {
    const rule = over({ deciders: { roles: [], memberIds: [] } });
    expect(roles.filter((role) => mayDecide(rule, member(role)))).toEqual([]);
  });

  it('is told in words', () => {
    expect(describeDeciders(layered())).toBe('content_manager or tenant_admin');
    const two = over(
      { deciders: { roles: ['tenant_admin'], memberIds: ['ada'] } },
      { deciders: { roles: [], memberIds: [] } },
    );
    expect(describeDeciders(two)).toBe('tenant_admin or ada, and also nobody');
  });
});
