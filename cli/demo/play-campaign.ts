import { randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { PolicyLayer } from '../../domain/policy.ts';
import type { Gate } from '../../domain/post.ts';
import type { Campaign, CampaignMedia, CampaignPost, CampaignStep } from '../campaign/campaign.ts';
import type { LocalSecrets } from '../local/secrets.ts';
import { signLocalToken } from '../local/token.ts';
import { type ApiClient, createApiClient, DemoError, uploadMedia } from './api-client.ts';

export interface Stage {
  readonly apiUrl: string;
  readonly sandboxUrl: string;
  readonly secrets: LocalSecrets;
}

/** A post of the campaign once it is in Gatepost. */
export interface PlayedPost {
  readonly key: string;
  readonly postId: string;
  readonly dueAt: Date;
  readonly goesOut: boolean;
  /** The hand-offs of its script; settles when all are played. */
  readonly script: Promise<void>;
}

export interface PlayedCampaign {
  readonly tenantId: string;
  readonly reader: ApiClient;
  readonly posts: readonly PlayedPost[];
}

interface Cast {
  readonly clients: ReadonlyMap<string, ApiClient>;
  readonly profileIds: ReadonlyMap<string, string>;
}

/**
 * Sets the campaign up through the HTTP interface alone, as a team's own software would, and plays each post's
 * hand-offs. The tenant is new each time and in mode sandbox: no live platform can be reached.
 */
export async function playCampaign(stage: Stage, campaign: Campaign): Promise<PlayedCampaign> {
  const superAdmin = await signLocalToken(stage.secrets, {
    subject: 'demo',
    role: 'super_admin',
    name: 'Demo',
  });
  const tenant = await createApiClient(stage.apiUrl, superAdmin).post<{ id: string; mode: string }>(
    '/tenants',
    {
      name: campaign.name,
      timeZone: campaign.timeZone,
      mode: 'sandbox',
    },
  );
  if (tenant.mode !== 'sandbox') throw new DemoError('The demo runs in sandbox mode only');
  const admin = createApiClient(stage.apiUrl, superAdmin, tenant.id);
  const cast = await gather(stage, campaign, tenant.id, admin);
  const startedAtMs = Date.now();
  const posts = await Promise.all(campaign.posts.map((post) => createPost(cast, post, startedAtMs)));
  return { tenantId: tenant.id, reader: admin, posts };
}

async function gather(stage: Stage, campaign: Campaign, tenantId: string, admin: ApiClient): Promise<Cast> {
  const clients = new Map<string, ApiClient>();
  const memberIds = new Map<string, string>();
  for (const member of campaign.members) {
    const subject = `demo-${member.key}`;
    const created = await admin.post<{ id: string }>('/members', {
      subject,
      name: member.name,
      role: member.role,
    });
    const token = await signLocalToken(stage.secrets, {
      subject,
      role: member.role,
      tenantId,
      name: member.name,
    });
    memberIds.set(member.key, created.id);
    clients.set(member.key, createApiClient(stage.apiUrl, token));
  }
  await admin.put('/tenant/policy', policyOf(campaign, memberIds));
  const profileIds = new Map<string, string>();
  for (const profile of campaign.profiles) {
    // Accounts are new in each run: a platform refuses the same words twice within minutes, and so does the sandbox.
    // As long as before, since some platforms' ids have one length.
    const externalId = profile.externalId.replace(/\d{1,6}$/, (digits) =>
      String(randomInt(10 ** (digits.length - 1), 10 ** digits.length)),
    );
    const accessToken = `sandbox-${randomUUID()}`;
    const { platform, accountKind, name } = profile;
    await register(stage.sandboxUrl, { platform, kind: accountKind, externalId, name, token: accessToken });
    const created = await admin.post<{ id: string }>('/profiles', {
      ...{ platform, accountKind, externalId, name, accessToken },
    });
    profileIds.set(profile.key, created.id);
  }
  return { clients, profileIds };
}

function policyOf(campaign: Campaign, memberIds: ReadonlyMap<string, string>): PolicyLayer {
  const entries = Object.entries(campaign.policy).map(([gate, { deciders, ...rest }]) => [
    gate,
    deciders
      ? {
          ...rest,
          deciders: { roles: deciders.roles, memberIds: deciders.members.map((key) => memberIds.get(key)!) },
        }
      : rest,
  ]);
  return Object.fromEntries(entries) as PolicyLayer;
}

/** Tells the sandbox of an account, as a platform would know it. */
async function register(sandboxUrl: string, account: Record<string, unknown>): Promise<void> {
  const scopes =
    account.kind === 'organization' ? ['w_organization_social', 'r_organization_social'] : undefined;
  const response = await fetch(`${sandboxUrl}/_control/accounts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...account, scopes }),
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new DemoError(`The sandbox refused an account: ${await response.text()}`);
}

async function createPost(cast: Cast, post: CampaignPost, startedAtMs: number): Promise<PlayedPost> {
  const author = cast.clients.get(post.author)!;
  const dueAt = post.due.kind === 'at' ? post.due.instant : new Date(startedAtMs + post.due.seconds * 1000);
  const created = await author.post<{ id: string }>('/posts', {
    type: post.type,
    copy: post.copy,
    media: await upload(author, post.media),
    targets: post.targets.map(({ profile, ...said }) => ({
      ...said,
      profileId: cast.profileIds.get(profile),
    })),
    dueAt: dueAt.toISOString(),
  });
  const script = playScript(cast, created.id, post.script);
  // Whoever follows the post awaits this and reports its failure; until then it is not an unhandled one.
  script.catch(() => {});
  return { key: post.key, postId: created.id, dueAt, goesOut: post.goesOut, script };
}

async function playScript(cast: Cast, postId: string, script: readonly CampaignStep[]): Promise<void> {
  for (const step of script) await playStep(cast.clients.get(step.by)!, postId, step);
}

async function playStep(client: ApiClient, postId: string, step: CampaignStep): Promise<void> {
  const path = `/posts/${postId}`;
  switch (step.action) {
    case 'submit':
      return client.post(`${path}/submit`);
    case 'approve':
    case 'reject': {
      const hash = await hashFor(client, path, step.gate);
      const verdict =
        step.action === 'approve'
          ? { verdict: 'approve' }
          : { verdict: 'reject', notes: step.notes, ...(step.returnTo ? { returnTo: step.returnTo } : {}) };
      return client.post(`${path}/decisions`, { gate: step.gate, hash, ...verdict });
    }
    case 'edit':
      return client.patch(path, { copy: step.copy });
    case 'deliver':
      return client.patch(path, { media: await upload(client, step.media) });
    default:
      throw new DemoError(`The demo cannot play ${JSON.stringify(step satisfies never)}`);
  }
}

/** What a decider sees is what a decision names. */
async function hashFor(client: ApiClient, path: string, gate: Gate): Promise<string> {
  const post = await client.get<{ gates: Record<Gate, { hash: string }> | null }>(path);
  if (!post.gates) throw new DemoError('The post has not been submitted');
  return post.gates[gate].hash;
}

function upload(client: ApiClient, media: readonly CampaignMedia[]) {
  return Promise.all(
    media.map(async ({ altText, cover, ...medium }) => ({
      mediaId: await uploadFile(client, medium),
      altText,
      ...(cover && { coverMediaId: await uploadFile(client, cover) }),
    })),
  );
}

const uploadFile = async (
  client: ApiClient,
  { path, contentType }: Pick<CampaignMedia, 'path' | 'contentType'>,
): Promise<string> =>
  uploadMedia(client, { fileName: basename(path), contentType, bytes: await readFile(path) });
