import { permissions } from '../../api/permissions.ts';
import type { Reduction } from '../../domain/change.ts';
import type { Command } from '../../domain/commands.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import { type PolicyLayer, resolvePostPolicy } from '../../domain/policy.ts';
import { type Gate, gates, type Role, unreachable } from '../../domain/post.ts';
import {
  type Actor,
  gatesOf,
  hashFor,
  newPostState,
  type PostState,
  type RevisionRef,
} from '../../domain/post-state.ts';
import { applyCommand, openPost } from '../../domain/reducer.ts';
import { hashOf, hashRevision } from '../../domain/revision.ts';
import type {
  CampaignAction,
  CampaignMedia,
  CampaignMember,
  CampaignPolicy,
  CampaignPost,
  CampaignStep,
} from './campaign.ts';

export type RehearsedPost = Omit<CampaignPost, 'goesOut'>;

export interface Rehearsal {
  readonly goesOut: boolean;
  /** The first step that would be refused, by its place in the script. */
  readonly refusal: { readonly step: number; readonly reason: string } | null;
}

/** What a step needs of a member, beyond what the gates ask. */
const allowed: Readonly<Record<CampaignAction, readonly Role[]>> = {
  submit: permissions.submitPost,
  approve: permissions.decidePost,
  reject: permissions.decidePost,
  // A designer may change the media alone.
  edit: permissions.createPost,
  deliver: permissions.updatePost,
};

export const mayTake = (action: CampaignAction, role: Role): boolean => allowed[action].includes(role);
export const mayWrite = (role: Role): boolean =>
  permissions.createPost.some((allowedRole) => allowedRole === role);

/**
 * Plays a post's script against the rules that the real post obeys, without any server, so that a hand-off that would
 * be refused is found before anything has been created. Keys stand in for ids.
 */
export function rehearse(
  post: RehearsedPost,
  members: readonly CampaignMember[],
  policy: CampaignPolicy,
): Rehearsal {
  let draft: Draft = { copy: post.copy, media: post.media, authors: authorsAre(post.author), number: 1 };
  let state: PostState | null = null;
  for (const [step, hand] of post.script.entries()) {
    const actor = actorOf(members, hand.by);
    if (hand.action === 'edit' || hand.action === 'deliver') draft = changeDraft(post, draft, hand);
    if (state === null) {
      if (hand.action === 'approve' || hand.action === 'reject')
        return refused(step, 'The post is a draft; nothing can be decided before it is submitted');
      if (hand.action === 'submit') state = openPost(firstState(post, draft, policy), actor, 0).state;
      continue;
    }
    const result = applyCommand(state, commandOf(hand, step, state, actor, refOf(post, draft)), 0);
    if (!result.ok) return refused(step, refusalOf(result));
    state = result.change.state;
  }
  return { goesOut: state !== null && waitsForItsTime(state), refusal: null };
}

const refused = (step: number, reason: string): Rehearsal => ({ goesOut: false, refusal: { step, reason } });
const refusalOf = (result: Extract<Reduction, { ok: false }>): string => result.refusal.message;

function waitsForItsTime(state: PostState): boolean {
  const { status, blockedOn } = evaluate(state);
  return status === 'SCHEDULED' && blockedOn.every((block) => block.code === 'until-due');
}

interface Draft {
  readonly copy: string;
  readonly media: readonly CampaignMedia[];
  readonly authors: Readonly<Record<Gate, string>>;
  readonly number: number;
}

const authorsAre = (key: string): Draft['authors'] => ({ content: key, design: key, publish: key });

function changeDraft(
  post: RehearsedPost,
  before: Draft,
  step: Extract<CampaignStep, { action: 'edit' | 'deliver' }>,
): Draft {
  const change = step.action === 'edit' ? { copy: step.copy } : { media: step.media };
  const after = { ...before, ...change, number: before.number + 1 };
  const [old, now] = [refOf(post, before), refOf(post, after)];
  const authors = gates.map((gate) => [
    gate,
    hashFor(gate, old) === hashFor(gate, now) ? before.authors[gate] : step.by,
  ]);
  return { ...after, authors: Object.fromEntries(authors) as Draft['authors'] };
}

function refOf(post: RehearsedPost, draft: Draft): RevisionRef {
  const media = draft.media.map(({ sha256, altText, cover }) => ({
    ...{ mediaId: sha256, sha256, altText },
    ...(cover && { cover: { mediaId: cover.sha256, sha256: cover.sha256 } }),
  }));
  const targets = post.targets.map(({ profile, ...said }) => ({
    ...said,
    ...{ targetId: profile, profileId: profile },
  }));
  return {
    ...hashRevision({ type: post.type, copy: draft.copy, media, targets }),
    revisionId: String(draft.number),
    number: draft.number,
    hasCopy:
      draft.copy.trim() !== '' || post.targets.every(({ copy }) => copy !== null && copy.trim() !== ''),
    mediaCount: media.length,
    authors: draft.authors,
  };
}

function firstState(post: RehearsedPost, draft: Draft, policy: CampaignPolicy): PostState {
  return newPostState({
    tenantId: 'tenant',
    postId: post.key,
    type: post.type,
    origin: 'human',
    revision: refOf(post, draft),
    policy: resolvePostPolicy([[layerOf(policy)]]),
    policyVersion: 1,
    dueAtMs: 60_000,
    // Which account it is does not matter to the gates.
    targets: post.targets.map(({ profile }) => ({
      targetId: profile,
      profileId: profile,
      platform: 'linkedin',
      accountKind: 'organization',
      type: post.type,
      dueAtMs: null,
    })),
  });
}

/** The policy with members' keys as their ids. */
function layerOf(policy: CampaignPolicy): PolicyLayer {
  const entries = Object.entries(policy).map(([gate, { deciders, ...rest }]) => [
    gate,
    deciders ? { ...rest, deciders: { roles: deciders.roles, memberIds: deciders.members } } : rest,
  ]);
  return Object.fromEntries(entries);
}

/** The gates a post of this type has to pass under the policy. */
export function requiredGates(type: CampaignPost['type'], policy: CampaignPolicy): Gate[] {
  const resolved = resolvePostPolicy([[layerOf(policy)]]);
  return gatesOf(type).filter((gate) => resolved[gate].required);
}

function actorOf(members: readonly CampaignMember[], key: string): Actor {
  const { role, name } = members.find((member) => member.key === key)!;
  return { memberId: key, role, name };
}

function commandOf(
  step: CampaignStep,
  index: number,
  state: PostState,
  actor: Actor,
  revision: RevisionRef,
): Command {
  const base = { commandId: hashOf([index]), actor };
  switch (step.action) {
    case 'submit':
      return { ...base, kind: 'submit', revision, dueAtMs: state.dueAtMs, targets: [] };
    case 'approve':
    case 'reject':
      return {
        ...base,
        kind: 'decide',
        gate: step.gate,
        verdict: step.action,
        hash: hashFor(step.gate, state.revision),
        notes: step.action === 'reject' ? step.notes : null,
        returnTo: step.action === 'reject' ? step.returnTo : null,
      };
    case 'edit':
    case 'deliver':
      return { ...base, kind: 'edit', revision, baseRevisionId: state.revision.revisionId };
    default:
      return unreachable(step, 'step');
  }
}
