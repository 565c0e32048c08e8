import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JWTPayload,
  type JWTVerifyGetKey,
  errors as joseErrors,
  jwtVerify,
} from 'jose';
import type pg from 'pg';
import { findMemberBySubject, type MemberRow } from '../db/members.ts';
import { systemDatabase } from '../db/pool.ts';
import type { ProfileScope } from '../db/profiles.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import { findTenant } from '../db/tenants.ts';
import { type Role, roles } from '../domain/post.ts';
import { uuidOf, uuidPattern } from './ids.ts';
import { notFound, Problem } from './problems.ts';
import { VerifiedTokens } from './verified-tokens.ts';

export type TokenAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** Somebody who issues tokens, and what their tokens may say. */
export interface IssuerConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithm: TokenAlgorithm;
  /** For `HS256`, which is for development only. */
  readonly secret?: string;
  /** For all others. */
  readonly jwksUrl?: string;
  /** The tenants the issuer speaks for. */
  readonly tenants: '*' | readonly string[];
  /** The roles the issuer may assert. */
  readonly roles: readonly Role[];
}

export interface AuthConfig {
  /** `members`: the member's row decides and the claim is an upper bound. `claims`: the claim decides. */
  readonly mode: 'members' | 'claims';
  readonly issuers: readonly IssuerConfig[];
}

/** Who calls. */
export interface Caller {
  /** Issuer and subject: two issuers never share one. */
  readonly subject: string;
  readonly memberId: string;
  readonly name: string;
  readonly role: Role;
  /** The profiles the caller is limited to; `null` means all. */
  readonly profileIds: ProfileScope;
}

/** A caller within a tenant. */
export interface TenantCaller extends Caller {
  readonly tenantId: string;
}

/** What of a request says who calls. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** The `Gatepost-Tenant` header. */
  readonly tenant: string | undefined;
}

export interface Authenticator {
  /** The caller and the tenant it acts in. Throws problems 400, 401, 403, 404. */
  tenantCaller(credentials: Credentials, findMember?: FindMember): Promise<TenantCaller>;
  /** A super admin who acts on no tenant in particular. */
  platformCaller(credentials: Credentials): Promise<Caller>;
}

/** How the member that a subject stands for is looked up (default: alone). */
export type FindMember = (database: TenantDatabase, subject: string) => Promise<MemberRow | undefined>;

const longestToken = 8_192;
const clockToleranceSeconds = 5;
const acceptedTypes = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

/** Verifies bearer tokens against the configured issuers and finds out whom they stand for. */
export function createAuthenticator(
  config: AuthConfig,
  { pool, clock }: { pool: pg.Pool; clock: { now(): Date } },
): Authenticator {
  const issuers = config.issuers.map((issuer) => ({ ...issuer, key: keyOf(issuer) }));
  const known = new VerifiedTokens<VerifiedToken>();
  const verify = (credentials: Credentials) =>
    verifyToken(issuers, known, credentials.authorization, clock.now());
  return {
    platformCaller: async (credentials) => {
      const token = await verify(credentials);
      if (token.role !== 'super_admin') throw new Problem('forbidden', 'Only a super admin may do this');
      if (token.issuer.tenants !== '*')
        throw new Problem('forbidden', 'The issuer of the token speaks for some tenants only');
      return superAdmin(token);
    },
    tenantCaller: async (credentials, findMember = findMemberBySubject) => {
      const token = await verify(credentials);
      if (token.role === 'super_admin') {
        const tenantId = await namedTenant(pool, token, credentials.tenant);
        return { ...superAdmin(token), tenantId };
      }
      const tenantId = claimedTenant(token, credentials.tenant);
      return config.mode === 'members'
        ? memberCaller(forTenant(pool, tenantId), token, tenantId, findMember)
        : claimedCaller(pool, token, tenantId);
    },
  };
}

interface ConfiguredIssuer extends IssuerConfig {
  readonly key: Uint8Array | JWTVerifyGetKey;
}

interface VerifiedToken {
  readonly issuer: IssuerConfig;
  readonly subject: string;
  readonly name: string;
  readonly tenant: string | undefined;
  /** The most the token can give. */
  readonly role: Role | undefined;
}

function keyOf(issuer: IssuerConfig): ConfiguredIssuer['key'] {
  if (issuer.algorithm === 'HS256') {
    if (!issuer.secret || issuer.secret.length < 32)
      throw new Error(`Issuer ${issuer.issuer}: HS256 needs a secret of at least 32 characters`);
    return new TextEncoder().encode(issuer.secret);
  }
  if (!issuer.jwksUrl) throw new Error(`Issuer ${issuer.issuer}: ${issuer.algorithm} needs a jwksUrl`);
  return createRemoteJWKSet(new URL(issuer.jwksUrl), { timeoutDuration: 5_000 });
}

async function verifyToken(
  issuers: readonly ConfiguredIssuer[],
  known: VerifiedTokens<VerifiedToken>,
  authorization: string | undefined,
  now: Date,
): Promise<VerifiedToken> {
  const token = bearerToken(authorization);
  const before = known.find(token, now);
  if (before) return before;
  const issuer = findIssuer(issuers, token);
  const { payload, protectedHeader } = await verifySignature(issuer, token, now);
  if (protectedHeader.typ !== undefined && !acceptedTypes.has(protectedHeader.typ.toLowerCase()))
    throw invalidToken('The token is of another type');
  const verified = readClaims(issuer, payload);
  known.keep(token, verified, { now, expiresAt: new Date((payload.exp! + clockToleranceSeconds) * 1000) });
  return verified;
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined)
    throw new Problem('token-missing', 'The Authorization header is missing', challenge());
  const [, token] = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization) ?? [];
  if (!token) throw invalidToken('The Authorization header is not of the form "Bearer <token>"');
  if (token.length > longestToken) throw invalidToken(`The token is longer than ${longestToken} characters`);
  return token;
}

/** Chosen by what the token claims, which only says whose key is to prove it. */
function findIssuer(issuers: readonly ConfiguredIssuer[], token: string): ConfiguredIssuer {
  try {
    const { iss } = decodeJwt(token);
    const { alg } = decodeProtectedHeader(token);
    const issuer = issuers.find((known) => known.issuer === iss && known.algorithm === alg);
    if (issuer) return issuer;
  } catch {
    // Falls through: what cannot be decoded is from nobody.
  }
  throw invalidToken('The token is from no issuer that is accepted here');
}

async function verifySignature(issuer: ConfiguredIssuer, token: string, now: Date) {
  const options = {
    issuer: issuer.issuer,
    audience: issuer.audience,
    algorithms: [issuer.algorithm],
    requiredClaims: ['exp', 'sub'],
    clockTolerance: clockToleranceSeconds,
    currentDate: now,
  };
  try {
    return typeof issuer.key === 'function'
      ? await jwtVerify(token, issuer.key, options)
      : await jwtVerify(token, issuer.key, options);
  } catch (error) {
    throw mapTokenError(error);
  }
}

function mapTokenError(error: unknown): Problem {
  if (error instanceof joseErrors.JWTExpired)
    return new Problem('token-expired', 'The token has expired', challenge('The token has expired'));
  if (error instanceof joseErrors.JWTClaimValidationFailed)
    return invalidToken(`The token's claim "${error.claim}" is missing or not accepted`);
  const isOurs =
    error instanceof joseErrors.JWKSTimeout ||
    !(error instanceof joseErrors.JOSEError) ||
    error.code === 'ERR_JOSE_GENERIC';
  if (isOurs)
    return new Problem('unavailable', "The issuer's keys cannot be read at the moment", {
      headers: { 'Retry-After': '5' },
    });
  return invalidToken('The signature of the token is not valid');
}

function readClaims(issuer: IssuerConfig, payload: JWTPayload): VerifiedToken {
  const { sub, name, tenant, role } = payload as Record<string, unknown>;
  if (typeof sub !== 'string' || sub === '' || sub.length > 255 || hasControls(sub))
    throw invalidToken('The subject must be 1 to 255 printable characters');
  const known = roles.find((one) => one === role);
  if (role !== undefined && known === undefined) throw invalidToken('The token claims an unknown role');
  if (known && !issuer.roles.includes(known))
    throw invalidToken(`The issuer may not assert the role ${known}`);
  const hasName = typeof name === 'string' && name.trim() !== '' && !hasControls(name);
  return {
    issuer,
    subject: sub,
    name: hasName ? name.trim().slice(0, 200) : sub.slice(0, 200),
    tenant: typeof tenant === 'string' ? tenant.toLowerCase() : undefined,
    role: known,
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const hasControls = (text: string): boolean => /[\u0000-\u001f\u007f]|\p{Surrogate}/u.test(text);

async function namedTenant(pool: pg.Pool, token: VerifiedToken, header: string | undefined): Promise<string> {
  if (header === undefined)
    throw new Problem(
      'tenant-header-missing',
      'A super admin names the tenant in the Gatepost-Tenant header',
    );
  const tenantId = header.toLowerCase();
  if (!uuidPattern.test(tenantId)) {
    const error = { path: 'Gatepost-Tenant', code: 'invalid-format', message: 'A tenant id is a UUID' };
    throw new Problem('invalid-request', error.message, { errors: [error] });
  }
  if (!speaksFor(token.issuer, tenantId)) throw notFound('tenant');
  if (!(await findTenant(systemDatabase(pool), tenantId))) throw notFound('tenant');
  return tenantId;
}

function claimedTenant({ tenant, issuer }: VerifiedToken, header: string | undefined): string {
  if (!tenant || !uuidPattern.test(tenant)) throw invalidToken('The token names no tenant');
  if (!speaksFor(issuer, tenant)) throw invalidToken('The issuer does not speak for this tenant');
  if (header !== undefined && header.toLowerCase() !== tenant)
    throw new Problem('forbidden', "The Gatepost-Tenant header names another tenant than the token's");
  return tenant;
}

const speaksFor = (issuer: IssuerConfig, tenantId: string): boolean =>
  issuer.tenants === '*' || issuer.tenants.includes(tenantId);

const subjectOf = (token: VerifiedToken): string => `${token.issuer.issuer} ${token.subject}`;

const superAdmin = (token: VerifiedToken): Caller => ({
  subject: subjectOf(token),
  memberId: uuidOf('member', token.issuer.issuer, token.subject),
  name: token.name,
  role: 'super_admin',
  profileIds: null,
});

async function memberCaller(
  database: TenantDatabase,
  token: VerifiedToken,
  tenantId: string,
  findMember: FindMember,
): Promise<TenantCaller> {
  const member = await findMember(database, token.subject);
  if (!member?.active)
    throw new Problem('not-a-member', 'The subject of the token is not an active member of this tenant');
  return {
    subject: subjectOf(token),
    memberId: member.id,
    name: member.name,
    role: lesserRole(member.role, token.role ?? 'tenant_admin'),
    profileIds: member.profile_ids,
    tenantId,
  };
}

async function claimedCaller(pool: pg.Pool, token: VerifiedToken, tenantId: string): Promise<TenantCaller> {
  if (!token.role) throw invalidToken('The token claims no role');
  if (!(await findTenant(systemDatabase(pool), tenantId)))
    throw new Problem('not-a-member', 'There is no such tenant');
  const subject = token.subject.toLowerCase();
  return {
    subject: subjectOf(token),
    memberId: uuidPattern.test(subject) ? subject : uuidOf('member', token.issuer.issuer, token.subject),
    name: token.name,
    role: token.role,
    profileIds: null,
    tenantId,
  };
}

/** Roles are listed from the most to the least. */
const lesserRole = (left: Role, right: Role): Role =>
  roles.indexOf(left) > roles.indexOf(right) ? left : right;

const invalidToken = (detail: string): Problem => new Problem('token-invalid', detail, challenge(detail));

function challenge(reason?: string): { headers: Record<string, string> } {
  const description = reason?.replace(/["\\]/g, "'");
  const error = description ? `, error="invalid_token", error_description="${description}"` : '';
  return { headers: { 'WWW-Authenticate': `Bearer realm="gatepost"${error}` } };
}
