import { randomBytes, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import sharp from 'sharp';
import type { PolicyLayer } from '../../domain/policy.ts';
import type { Role } from '../../domain/post.ts';
import { closedLoop, expectNoErrors } from '../measure/load.ts';
import { issuer, type Product } from './product.ts';

/** A tenant with people and accounts, made through the interface. */
export interface BenchTenant {
  readonly id: string;
  readonly profileIds: readonly string[];
  /** Of YouTube. */
  readonly channels: readonly ConnectedAccount[];
  /** Tokens: the author may not approve what it wrote. */
  readonly author: string;
  readonly reviewer: string;
  readonly second: string;
}

export interface ConnectedAccount {
  readonly profileId: string;
  /** The platform's own. */
  readonly externalId: string;
}

export interface TenantOptions {
  /** How many accounts, pages of LinkedIn (default 20). */
  readonly profiles?: number;
  /** How many channels of YouTube (default none). */
  readonly channels?: number;
  readonly policy?: PolicyLayer;
}

/** Every gate passes by itself. */
export const noGates: PolicyLayer = {
  content: { required: false },
  design: { required: false },
  publish: { required: false },
};

/** Three approvals for a text: one of the words, two of the publication. */
export const threeApprovals: PolicyLayer = { publish: { quorum: 2 } };

export async function createTenant(
  product: Product,
  { profiles = 20, channels = 0, policy }: TenantOptions = {},
): Promise<BenchTenant> {
  const { call } = product.caller;
  const root = await signToken(product.jwtSecret, { subject: 'root', role: 'super_admin' });
  const body = { name: 'Bench' };
  const { id } = await call({ method: 'POST', path: '/tenants', token: root, body, expected: 201 });
  const asRoot = { token: root, tenantId: id as string };
  const enrol = async (name: string, role: Role) => {
    const member = { subject: name, name, role };
    await call({ method: 'POST', path: '/members', ...asRoot, body: member, expected: 201 });
    return signToken(product.jwtSecret, { subject: name, role, tenant: id });
  };
  if (policy)
    await call({
      method: 'PUT',
      path: '/tenant/policy',
      ...asRoot,
      ifMatch: '"1"',
      body: policy,
      expected: 200,
    });
  const profileIds: string[] = [];
  const connected = await closedLoop({ count: profiles, concurrency: 8 }, async () => {
    profileIds.push((await connect(product, asRoot, newPage())).profileId);
  });
  expectNoErrors('Connecting profiles', connected);
  const connectedChannels: ConnectedAccount[] = [];
  for (let index = 0; index < channels; index += 1)
    connectedChannels.push(await connect(product, asRoot, newChannel()));
  return {
    ...{ id, profileIds, channels: connectedChannels },
    author: await enrol('author', 'content_manager'),
    reviewer: await enrol('reviewer', 'content_manager'),
    second: await enrol('second', 'tenant_admin'),
  };
}

interface NewAccount {
  readonly platform: 'linkedin' | 'youtube';
  readonly kind: 'organization' | 'channel';
  readonly externalId: string;
}

const newPage = (): NewAccount => ({
  ...{ platform: 'linkedin', kind: 'organization' },
  externalId: `urn:li:organization:${randomBytes(5).readUIntBE(0, 5)}`,
});

const newChannel = (): NewAccount => ({
  ...{ platform: 'youtube', kind: 'channel' },
  externalId: `UC${randomBytes(11).toString('hex')}`,
});

async function connect(
  { caller, sandboxUrl }: Product,
  asRoot: { token: string; tenantId: string },
  { platform, kind, externalId }: NewAccount,
): Promise<ConnectedAccount> {
  const account = { platform, externalId, name: externalId };
  const token = randomUUID();
  await askSandbox(sandboxUrl, '/accounts', { ...account, kind, token });
  const body = { ...account, accountKind: kind, accessToken: token };
  const profile = await caller.call({ method: 'POST', path: '/profiles', ...asRoot, body, expected: 201 });
  return { profileId: profile.id, externalId };
}

const signToken = (secret: string, claims: { subject: string; role: Role; tenant?: string }) =>
  new SignJWT({ role: claims.role, ...(claims.tenant && { tenant: claims.tenant }) })
    .setProtectedHeader({ alg: issuer.algorithm, typ: 'JWT' })
    .setSubject(claims.subject)
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(new TextEncoder().encode(secret));

/** Asks the sandbox something, or with a body tells it something. */
export async function askSandbox(sandboxUrl: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${sandboxUrl}/_control${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`The sandbox answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** What the sandbox's ledger holds of a publication. */
export interface LedgerEntry {
  readonly publicId: string;
  /** Of the account. */
  readonly externalId: string;
  readonly text: string;
  readonly media: readonly { readonly sha256: string }[];
  readonly receivedAt: string;
}

export const readLedger = async (sandboxUrl: string): Promise<readonly LedgerEntry[]> =>
  ((await askSandbox(sandboxUrl, '/ledger')) as { entries: LedgerEntry[] }).entries;

/** A post as its creation answers it, as far as the bench looks. */
export interface CreatedPost {
  readonly id: string;
  readonly gates: Readonly<Record<'content' | 'design' | 'publish', { readonly hash: string }>>;
}

/** Creates and submits a text with words of its own. */
export function createText(
  { caller }: Product,
  tenant: BenchTenant,
  { index, fields = {}, targets = 1 }: { index: number; fields?: object; targets?: number },
): Promise<CreatedPost> {
  const { profileIds } = tenant;
  const body = {
    type: 'TEXT_ONLY',
    copy: `We open on Saturday, with bread from nine and music from noon. ${randomUUID()}`,
    targets: Array.from({ length: targets }, (_, offset) => ({
      profileId: profileIds[(index + offset) % profileIds.length],
    })),
    submit: true,
    ...fields,
  };
  return caller.call({ method: 'POST', path: '/posts', token: tenant.author, body, expected: 201 });
}

export async function approve(
  { caller }: Product,
  token: string,
  post: CreatedPost,
  gate: 'content' | 'design' | 'publish',
): Promise<void> {
  const path = `/posts/${post.id}/decisions`;
  const body = { gate, verdict: 'approve', hash: post.gates[gate].hash };
  await caller.call({ method: 'POST', path, token, body, key: null, expected: 200 });
}

/** Uploads one picture and answers its id; many posts may show it. */
export async function uploadPicture({ caller }: Product, { author: token }: BenchTenant): Promise<string> {
  const { call } = caller;
  const background = { r: 200, g: 120, b: 40 };
  const bytes = await sharp({ create: { width: 1080, height: 1080, channels: 3, background } })
    .jpeg()
    .toBuffer();
  const body = { fileName: 'picture.jpg', contentType: 'image/jpeg', sizeBytes: bytes.length };
  const { id, upload } = await call({ method: 'POST', path: '/media', token, body, expected: 201 });
  const { 'Content-Length': _set, ...headers } = upload.headers;
  const stored = await fetch(upload.url, { method: 'PUT', headers, body: Buffer.from(bytes) });
  if (!stored.ok) throw new Error(`The upload was answered with ${stored.status}`);
  await call({ method: 'POST', path: `/media/${id}/complete`, token, expected: 200 });
  return id;
}
