import { type Command, type CommandKind, commandKinds } from '../../domain/commands.ts';
import { type Gate, gates, type PostType } from '../../domain/post.ts';
import {
  type Actor,
  type HoldRef,
  hashFor,
  type PostState,
  type RevisionRef,
} from '../../domain/post-state.ts';
import { hashRevision, type RevisionContent } from '../../domain/revision.ts';
import type { Random } from './random.ts';
import type { PostRows } from './rows.ts';
import type { World } from './world.ts';

export const members: readonly Actor[] = [
  { memberId: 'ada', role: 'content_manager', name: 'Ada' },
  { memberId: 'ben', role: 'tenant_admin', name: 'Ben' },
  { memberId: 'cho', role: 'content_manager', name: 'Cho' },
  { memberId: 'dee', role: 'graphic_designer', name: 'Dee' },
  { memberId: 'eve', role: 'viewer', name: 'Eve' },
];
const deciders = members.slice(0, 4);

/** What is done next: a command to the post, or something that befalls the world around it. */
export const worldActs = [
  'place-hold',
  'lift-hold',
  'change-policy',
  'kill-worker',
  'reset',
  'lose',
  'step-clock',
  'cut-database',
  'renew-tokens',
  'misconfigure',
] as const;
export type WorldAct = (typeof worldActs)[number];
export type Act = { readonly kind: 'command'; readonly command: Command } | { readonly kind: WorldAct };

/** One person's next step with a post, most of the time a sensible one. What they know is what its rows say. */
export function nextAct(world: World, post: PostRows, random: Random): Act | null {
  const state = post.runState;
  if (!state) return null;
  if (random.chance(0.62)) return sensible(world, post, state, random);
  if (random.chance(world.roughness)) return { kind: random.weighted(worldWeights) };
  return asCommand(anyCommand(world, post, state, random));
}

const worldWeights = {
  'place-hold': 3,
  'lift-hold': 4,
  'change-policy': 2,
  'kill-worker': 6,
  reset: 2,
  lose: 0.5,
  'step-clock': 1,
  'cut-database': 2,
  'renew-tokens': 4,
  misconfigure: 1,
} as const satisfies Record<WorldAct, number>;

const asCommand = (command: Command): Act => ({ kind: 'command', command });

/** Does what the post waits for, as its `blockedOn` says. */
export function sensible(world: World, post: PostRows, state: PostState, random: Random): Act | null {
  const blocks = post.readiness?.blockedOn ?? [];
  const block = blocks.find(({ code }) => code !== 'until-due' && code !== 'publishing') ?? blocks[0];
  const make = maker(world, post, state, random);
  switch (block?.code) {
    case 'gate':
      return asCommand(make.approve(block.gate!));
    case 'changes-requested':
    case 'copy':
    case 'submit':
      return asCommand(random.chance(0.6) ? make.command('submit') : make.edit({ isComplete: true }));
    case 'media':
      return asCommand(make.edit({ isComplete: true }));
    case 'due-time':
    case 'late':
      return asCommand(random.chance(0.5) ? make.schedule() : make.command('publishNow'));
    case 'paused':
      return asCommand(make.command('resume'));
    case 'hold':
      return { kind: 'lift-hold' };
    case 'operator':
      return asCommand(make.operator(block.targetId));
    default:
      return null;
  }
}

const anyCommand = (world: World, post: PostRows, state: PostState, random: Random): Command => {
  const make = maker(world, post, state, random);
  const kind = random.weighted<CommandKind>({
    ...{
      decide: 8,
      edit: 6,
      schedule: 6,
      publishNow: 4,
      pause: 3,
      resume: 3,
      cancel: 1.5,
      submit: 1,
      withdraw: 1,
    },
    ...{ retry: 2, resolve: 2, archive: 0.5 },
  });
  return make.command(kind);
};

/** A command of every kind, by anybody, and not always one that fits. */
export function maker(world: World, post: PostRows, state: PostState, random: Random) {
  const base = (actor: Actor = random.pick(random.chance(0.9) ? deciders : members)) => ({
    ...{ commandId: world.office.newId('command'), actor },
  });
  const decide = (gate: Gate, verdict: 'approve' | 'reject', actor?: Actor): Command => ({
    ...{ kind: 'decide', ...base(actor), gate, verdict },
    hash: random.chance(0.95) ? hashFor(gate, state.revision) : 'the hash of something else',
    notes: verdict === 'reject' && random.chance(0.9) ? 'Not like this' : null,
    returnTo: verdict === 'reject' && random.chance(0.3) ? random.pick(gates) : null,
  });
  const approve = (gate: Gate): Command => decide(gate, 'approve', deciderFor(state, gate, random));
  const edit = ({ isComplete = false } = {}): Command => {
    const actor = random.pick(members.slice(0, 4));
    const revision = world.write(post, state, contentAfter(world, post, state, random, isComplete), actor);
    const baseRevisionId = random.chance(0.97) ? state.revision.revisionId : 'revision-of-nobody';
    return { kind: 'edit', ...base(actor), revision, baseRevisionId };
  };
  const dueAtMs = () =>
    world.scheduler.nowMs + random.pick([-5_000, 3_000, 20_000, 60_000, 900_000, 7_200_000]);
  const schedule = (): Command => {
    const own = post.targets.filter(() => random.chance(0.15));
    const targets = own.map(({ targetId }) => ({ targetId, dueAtMs: random.chance(0.7) ? dueAtMs() : null }));
    return {
      kind: 'schedule',
      ...base(),
      dueAtMs: targets.length === 0 || random.chance(0.6) ? dueAtMs() : null,
      targets,
    };
  };
  const targetId = () => random.pick(post.targets).targetId;
  const resolve = (id: string): Command => {
    const truth = world.isOut(post.postId, id);
    const isMistaken = random.chance(0.03);
    const resolution = truth !== isMistaken ? 'published' : random.pick(['absent', 'resend'] as const);
    if (isMistaken) world.noteMistake(post.postId, id, resolution);
    const cycle = state.targets.find((target) => target.targetId === id)?.cycle;
    const permalink = resolution === 'published' ? 'https://example.com/seen' : null;
    return { kind: 'resolve', ...base(), targetId: id, resolution, permalink, cycle };
  };
  const retry = (): Command => ({
    kind: 'retry',
    ...base(),
    targetIds: random.chance(0.7) ? null : [targetId()],
  });
  const operator = (id: string | undefined): Command => {
    const phase = state.targets.find((target) => target.targetId === id)?.phase;
    if (random.chance(0.05)) return { kind: 'archive', ...base() };
    return phase === 'UNCONFIRMED' ? resolve(id!) : retry();
  };
  const command = (kind: CommandKind): Command => {
    switch (kind) {
      case 'decide':
        return decide(random.pick(gates), random.chance(0.6) ? 'approve' : 'reject');
      case 'edit':
        return edit();
      case 'schedule':
        return schedule();
      case 'publishNow':
        return { kind, ...base(deciderFor(state, 'publish', random)), hash: state.revision.publishHash };
      case 'submit': {
        const targets = post.targets.map((target) => ({ targetId: target.targetId, dueAtMs: null }));
        return {
          kind,
          ...base(),
          revision: state.revision,
          dueAtMs: random.chance(0.9) ? dueAtMs() : null,
          targets,
        };
      }
      case 'retry':
        return retry();
      case 'resolve':
        return resolve(targetId());
      case 'pause':
      case 'cancel':
        return { kind, ...base(), reason: null };
      case 'withdraw':
      case 'resume':
      case 'archive':
        return { kind, ...base() };
    }
  };
  return { approve, edit, schedule, operator, command };
}

/** Somebody whom the policy gives the gate to, and who has neither written nor approved it yet. */
function deciderFor(state: PostState, gate: Gate, random: Random): Actor {
  const policy = state.policy[gate];
  const able = members.filter(
    ({ memberId, role }) =>
      policy.decidersOfAll.every((one) => one.roles.includes(role) || one.memberIds.includes(memberId)) &&
      (policy.authorMay || state.revision.authors[gate] !== memberId) &&
      !state.gates[gate].votes.some((vote) => vote.memberId === memberId),
  );
  return random.pick(able.length > 0 && random.chance(0.93) ? able : members);
}

/** What the post says after an edit: other copy, other media, or what it said once before. */
function contentAfter(
  world: World,
  post: PostRows,
  state: PostState,
  random: Random,
  isComplete: boolean,
): RevisionContent {
  const { content } = world.rows.revisions.get(state.revision.revisionId)!;
  const written = [...world.rows.revisions.values()].filter(({ postId }) => postId === post.postId);
  if (!isComplete && random.chance(0.15)) return random.pick(written).content;
  const needed = { CAROUSEL: 2, SINGLE_IMAGE: 1 }[state.type as string] ?? 0;
  const changesMedia = needed > 0 && (isComplete ? content.media.length < needed : random.chance(0.3));
  const media = changesMedia ? newMedia(world, isComplete ? needed : random.between(0, 2)) : content.media;
  const copy =
    changesMedia && random.chance(0.7) ? content.copy : `${post.postId}: ${world.office.newId('wording')}`;
  return { ...content, copy, media };
}

export const newMedia = (world: World, count: number): RevisionContent['media'] =>
  Array.from({ length: count }, () => {
    const mediaId = world.office.newId('picture');
    return { mediaId, sha256: mediaId, altText: null };
  });

/** What a run is told of a revision; the author of a gate is who last changed its inputs. */
export function revisionRefOf(
  revisionId: string,
  number: number,
  content: RevisionContent,
  actor: Actor,
  before: RevisionRef | null,
): RevisionRef {
  const hashes = hashRevision(content);
  const authors = Object.fromEntries(
    gates.map((gate) => {
      const isSame = before && hashFor(gate, hashes) === hashFor(gate, before);
      return [gate, isSame ? before.authors[gate] : actor.memberId];
    }),
  ) as Record<Gate, string>;
  const counts = { hasCopy: content.copy.trim() !== '', mediaCount: content.media.length };
  return { revisionId, number, ...hashes, ...counts, authors };
}

export const anyHold = (world: World, random: Random): HoldRef => {
  const profile = random.pick(world.profiles);
  const scope = random.weighted({ profile: 5, platform: 2, tenant: 1 });
  const subject = { tenant: null, profile: profile.profileId, platform: profile.platform }[scope];
  return { holdId: world.office.newId('hold'), scope, subject, reason: 'Something has come up' };
};

export const anyPostType = (random: Random): PostType =>
  random.weighted({ TEXT_ONLY: 5, SINGLE_IMAGE: 3, CAROUSEL: 2 });

export { commandKinds };
