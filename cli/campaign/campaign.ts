import type { MediaProbe } from '../../adapters/media/probe.ts';
import type { GatePolicyLayer } from '../../domain/policy.ts';
import type { AccountKind, Gate, Platform, PostType, Role } from '../../domain/post.ts';
import type { RevisionTarget } from '../../domain/revision.ts';

/** A campaign as its file describes it, checked whole: every file is there and every key leads somewhere. */
export interface Campaign {
  /** The file it was read from, as given. */
  readonly file: string;
  readonly name: string;
  readonly timeZone: string;
  readonly brand: CampaignBrand | null;
  readonly profiles: readonly CampaignProfile[];
  readonly members: readonly CampaignMember[];
  readonly policy: CampaignPolicy;
  readonly posts: readonly CampaignPost[];
}

export interface CampaignBrand {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

export interface CampaignProfile {
  readonly key: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
  readonly name: string;
}

export interface CampaignMember {
  readonly key: string;
  readonly name: string;
  readonly role: Exclude<Role, 'super_admin'>;
}

/** A policy layer of the tenant that names its deciders by their keys. */
export type CampaignPolicy = Partial<Record<Gate, CampaignGatePolicy>>;
export interface CampaignGatePolicy extends Omit<GatePolicyLayer, 'deciders'> {
  readonly deciders?: { readonly roles: readonly Role[]; readonly members: readonly string[] };
}

export interface CampaignPost {
  readonly key: string;
  readonly type: PostType;
  readonly copy: string;
  readonly media: readonly CampaignMedia[];
  readonly targets: readonly CampaignTarget[];
  readonly due: CampaignDue;
  /** The key of the member who writes it. */
  readonly author: string;
  readonly script: readonly CampaignStep[];
  /** Whether the script takes the post through every gate, so that it goes out by itself when it is due. */
  readonly goesOut: boolean;
}

/** What a revision says of a target, with the key of a profile in place of ids. */
export interface CampaignTarget extends Omit<RevisionTarget, 'targetId' | 'profileId'> {
  readonly profile: string;
}

/** Either so long after the start of the run, or an instant. */
export type CampaignDue =
  | { readonly kind: 'in'; readonly seconds: number }
  | { readonly kind: 'at'; readonly instant: Date };

/** A file beside the campaign, and what its bytes were found to be. */
export interface CampaignMedia extends MediaProbe {
  /** As the campaign names it. */
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  readonly altText: string | null;
  /** The picture shown before a video plays. */
  readonly cover?: Omit<CampaignMedia, 'altText' | 'cover'>;
}

/** One hand-off; `by` is the key of a member. The demo plays them in order. */
export type CampaignStep =
  | { readonly action: 'submit'; readonly by: string }
  | { readonly action: 'approve'; readonly by: string; readonly gate: Gate }
  | {
      readonly action: 'reject';
      readonly by: string;
      readonly gate: Gate;
      readonly notes: string;
      readonly returnTo: Gate | null;
    }
  | { readonly action: 'edit'; readonly by: string; readonly copy: string }
  | { readonly action: 'deliver'; readonly by: string; readonly media: readonly CampaignMedia[] };
export type CampaignAction = CampaignStep['action'];

/** Lines and columns count from 1. */
export interface CampaignProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly reason: string;
}

/** A campaign file that cannot be used, with everything that is wrong with it. */
export class CampaignError extends Error {
  override readonly name = 'CampaignError';
  readonly problems: readonly CampaignProblem[];

  constructor(problems: readonly CampaignProblem[]) {
    super(
      problems.map(({ file, line, column, reason }) => `${file}:${line}:${column}: ${reason}`).join('\n'),
    );
    this.problems = problems;
  }
}
