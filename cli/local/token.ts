import { SignJWT } from 'jose';
import { type Role, roles } from '../../domain/post.ts';
import type { LocalSecrets } from './secrets.ts';

/** The issuer of tokens for trying out; the local API trusts it and no other. */
export const localIssuer = (secrets: LocalSecrets) => ({
  issuer: 'gatepost-local',
  audience: 'gatepost',
  algorithm: 'HS256' as const,
  secret: secrets.jwtSecret,
  tenants: '*' as const,
  roles: [...roles],
});

export interface TokenClaims {
  readonly subject: string;
  readonly role: Role;
  readonly tenantId?: string;
  readonly name?: string;
  readonly hours?: number;
}

/** Signs a token for the local API. */
export function signLocalToken(secrets: LocalSecrets, claims: TokenClaims): Promise<string> {
  const issuer = localIssuer(secrets);
  const payload = {
    role: claims.role,
    ...(claims.tenantId ? { tenant: claims.tenantId } : {}),
    ...(claims.name ? { name: claims.name } : {}),
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: issuer.algorithm, typ: 'JWT' })
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setSubject(claims.subject)
    .setIssuedAt()
    .setExpirationTime(`${claims.hours ?? 12}h`)
    .sign(new TextEncoder().encode(secrets.jwtSecret));
}
