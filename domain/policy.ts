import { type Gate, gates, type Role } from './post.ts';

/**
 * What happens when the last gate opens after the due time:
 * `publish` at once, `hold` for a person, `expire` the post.
 */
export const latenessRules = ['publish', 'hold', 'expire'] as const;
export type LatenessRule = (typeof latenessRules)[number];

/** Who may decide: anyone with one of the roles, or anyone named. */
export interface Deciders {
  readonly roles: readonly Role[];
  readonly memberIds: readonly string[];
}

/** The policy of one gate as a tenant, profile or plan states it; every field may be left to the next layer. */
export interface GatePolicyLayer {
  readonly required?: boolean;
  readonly deciders?: Deciders;
  /** How many approvals the gate needs. */
  readonly quorum?: number;
  /** Whether the member who last changed the gate's inputs may decide it. */
  readonly authorMay?: boolean;
  /** Hours until the gate is overdue. */
  readonly slaHours?: number;
  /** The share of the SLA after which its deciders are warned, in percent. */
  readonly slaWarningPercent?: number;
  /** Hours between reminders, the first of which comes when the SLA has passed. */
  readonly reminderEveryHours?: number;
  /** How many reminders there are before the gate escalates, one interval after the last; 0 escalates with the end of the SLA. */
  readonly reminders?: number;
  /** Who may decide as well once the gate has escalated. */
  readonly escalateTo?: Deciders;
  readonly lateness?: LatenessRule;
  /** Whether a new due time takes the gate's approval back. */
  readonly reopensOnDueTime?: boolean;
}
export type PolicyLayer = Partial<Record<Gate, GatePolicyLayer>>;

/** The policy of one gate of one post, resolved over all its targets. */
export interface GatePolicy {
  readonly required: boolean;
  /** A decider satisfies every entry: one entry for each distinct rule among the targets. */
  readonly decidersOfAll: readonly DeciderRule[];
  readonly quorum: number;
  readonly authorMay: boolean;
  readonly slaHours: number;
  readonly slaWarningPercent: number;
  readonly reminderEveryHours: number;
  readonly reminders: number;
  readonly lateness: LatenessRule;
  readonly reopensOnDueTime: boolean;
}
/** Who may decide, and who may as well once the gate has escalated. */
export interface DeciderRule extends Deciders {
  readonly escalateTo: Deciders;
}
export type PostPolicy = Readonly<Record<Gate, GatePolicy>>;

const defaultGate = {
  required: true,
  deciders: { roles: ['content_manager', 'tenant_admin'], memberIds: [] },
  quorum: 1,
  authorMay: false,
  slaHours: 24,
  slaWarningPercent: 75,
  reminderEveryHours: 24,
  reminders: 3,
  escalateTo: { roles: ['tenant_admin'], memberIds: [] },
  lateness: 'hold',
  reopensOnDueTime: false,
} as const satisfies Required<GatePolicyLayer>;

/**
 * What holds where nobody says otherwise: every gate required, one approval, never by its author, a
 * warning after 18 hours, reminders after 1, 2 and 3 days, tenant admins added after 4, late posts held.
 */
export const defaultPolicy: Readonly<Record<Gate, Required<GatePolicyLayer>>> = {
  content: defaultGate,
  design: defaultGate,
  publish: defaultGate,
};

/** Resolves one gate field by field; the layers come most specific first (plan, profile, tenant). */
function resolveGate(gate: Gate, layers: readonly (PolicyLayer | null)[]): Required<GatePolicyLayer> {
  const resolved = { ...defaultPolicy[gate] };
  for (const layer of layers.toReversed()) Object.assign(resolved, definedFields(layer?.[gate]));
  return resolved;
}

const definedFields = (layer: GatePolicyLayer | undefined): GatePolicyLayer =>
  Object.fromEntries(
    Object.entries(layer ?? {}).filter(([, value]) => value !== undefined && value !== null),
  );

const strictness: Record<LatenessRule, number> = { publish: 0, hold: 1, expire: 2 };

/**
 * Resolves the policy of a post over its targets.
 *
 * Each target's layers are resolved field by field; over several targets a gate is required if any requires it, the
 * quorum is the highest, the SLA and the reminders the shortest, the author may decide only if all allow it, the
 * strictest lateness rule wins, and a decider must be one for every target.
 */
export function resolvePostPolicy(layersByTarget: readonly (readonly (PolicyLayer | null)[])[]): PostPolicy {
  const perTarget = layersByTarget.length > 0 ? layersByTarget : [[]];
  const combined = gates.map((gate) => [gate, combine(perTarget.map((layers) => resolveGate(gate, layers)))]);
  return Object.fromEntries(combined) as Record<Gate, GatePolicy>;
}

function combine(policies: readonly Required<GatePolicyLayer>[]): GatePolicy {
  return {
    required: policies.some((policy) => policy.required),
    decidersOfAll: distinctRules(policies.map(({ deciders, escalateTo }) => ({ ...deciders, escalateTo }))),
    quorum: Math.max(...policies.map((policy) => policy.quorum)),
    authorMay: policies.every((policy) => policy.authorMay),
    slaHours: Math.min(...policies.map((policy) => policy.slaHours)),
    slaWarningPercent: Math.min(...policies.map((policy) => policy.slaWarningPercent)),
    reminderEveryHours: Math.min(...policies.map((policy) => policy.reminderEveryHours)),
    reminders: Math.min(...policies.map((policy) => policy.reminders)),
    reopensOnDueTime: policies.some((policy) => policy.reopensOnDueTime),
    lateness: policies
      .map((policy) => policy.lateness)
      .reduce((strictest, rule) => (strictness[rule] > strictness[strictest] ? rule : strictest)),
  };
}

function distinctRules(all: readonly DeciderRule[]): DeciderRule[] {
  const keyOf = ({ roles, memberIds }: Deciders) => [[...roles].sort(), [...memberIds].sort()];
  const byKey = new Map(all.map((rule) => [JSON.stringify([keyOf(rule), keyOf(rule.escalateTo)]), rule]));
  // In one order, whatever the targets': equal policies are equal.
  return [...byKey].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, rule]) => rule);
}

/** Who may decide the gate: one entry for each rule, once it has escalated with those whom that adds. */
export const decidersOf = (
  { decidersOfAll }: Pick<GatePolicy, 'decidersOfAll'>,
  isEscalated: boolean,
): Deciders[] =>
  decidersOfAll.map(({ roles, memberIds, escalateTo }) =>
    isEscalated
      ? {
          roles: [...new Set([...roles, ...escalateTo.roles])],
          memberIds: [...new Set([...memberIds, ...escalateTo.memberIds])],
        }
      : { roles, memberIds },
  );

/** Whether the policy gives the gate to a member at all (before the author rule). */
export function mayDecide(
  policy: GatePolicy,
  member: { memberId: string; role: Role },
  isEscalated = false,
): boolean {
  return decidersOf(policy, isEscalated).every(
    (deciders) => deciders.roles.includes(member.role) || deciders.memberIds.includes(member.memberId),
  );
}

/** Names the deciders of a gate for people: `content_manager or tenant_admin`, named members by id. */
export function describeDeciders(policy: GatePolicy, isEscalated = false): string {
  const sets = decidersOf(policy, isEscalated).map(
    (deciders) => [...deciders.roles, ...deciders.memberIds].join(' or ') || 'nobody',
  );
  return sets.join(', and also ');
}
