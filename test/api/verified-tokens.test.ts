import { describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import type pg from 'pg';
import { createAuthenticator } from '../../api/auth.ts';
import { VerifiedTokens } from '../../api/verified-tokens.ts';

const at = (second: number): Date => new Date(Date.UTC(2026, 10, 21, 12, 0, second));

describe('tokens that were verified', () => {
  it('are known for a minute, each by itself', () => {
    const tokens = new VerifiedTokens<string>();
    tokens.keep('one', 'Ada', { now: at(0), expiresAt: at(3_600) });
    expect(tokens.find('one', at(59))).toBe('Ada');
    expect(tokens.find('one', at(60))).toBeUndefined();
    expect(tokens.find('two', at(1))).toBeUndefined();
  });

  it('are not known beyond their expiry, nor before they were seen', () => {
    const tokens = new VerifiedTokens<string>();
    tokens.keep('one', 'Ada', { now: at(10), expiresAt: at(20) });
    expect(tokens.find('one', at(19))).toBe('Ada');
    expect(tokens.find('one', at(20))).toBeUndefined();
    expect(tokens.find('one', at(9))).toBeUndefined();
  });
});

describe('an authenticator that has seen a token', () => {
  const secret = 'a secret of at least 32 characters';
  let now = at(0);
  const authenticator = createAuthenticator(
    {
      mode: 'claims',
      issuers: [
        { issuer: 'me', audience: 'us', algorithm: 'HS256', secret, tenants: '*', roles: ['super_admin'] },
      ],
    },
    // A super admin's token needs no rows.
    { pool: {} as pg.Pool, clock: { now: () => now } },
  );
  const call = (token: string) =>
    authenticator.platformCaller({ authorization: `Bearer ${token}`, tenant: undefined });
  const sign = (key: string) =>
    new SignJWT({ role: 'super_admin' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('root')
      .setIssuer('me')
      .setAudience('us')
      .setExpirationTime(at(30))
      .sign(new TextEncoder().encode(key));

  it('says that it has expired when it has, five seconds allowed', async () => {
    const token = await sign(secret);
    now = at(0);
    await expect(call(token)).resolves.toMatchObject({ role: 'super_admin' });
    now = at(34);
    await expect(call(token)).resolves.toMatchObject({ role: 'super_admin' });
    now = at(35);
    await expect(call(token)).rejects.toMatchObject({ code: 'token-expired' });
  });

  it('still refuses another with the same words and a signature of somebody else', async () => {
    now = at(0);
    await call(await sign(secret));
    await expect(call(await sign('another secret of 32 characters!'))).rejects.toMatchObject({
      code: 'token-invalid',
    });
  });
});
