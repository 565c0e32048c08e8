import { createHash, randomBytes } from 'node:crypto';
import type { Account, IssuedToken } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import type { SandboxOAuth } from '../oauth-definition.ts';
import { bearerToken, type Call, jsonReply, type Operation } from '../protocol.ts';
import { pageOf, readFields, readParameters, readText, refusal, requireVersion, select } from './graph.ts';
import type { OperationName, Platform } from './index.ts';

/** Facebook Login, for the platforms whose accounts hang on Facebook's pages: pages themselves and Instagram. */

/** How long a person's first token lives, and how long what it is exchanged for. */
const briefSeconds = 5_400;
const longSeconds = 5_183_944;

/**
 * No PKCE and no refresh tokens: tokens are asked for by GET, and a living one is exchanged for one of sixty days.
 * https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived (read 2026-11-21). How
 * long a code lives is not documented.
 */
export const facebookLogin: SandboxOAuth = {
  authorizePath: '/:version/dialog/oauth',
  tokenEndpoints: [
    {
      ...{ method: 'get', path: '/:version/oauth/access_token', exchangedName: 'fb_exchange_token' },
      grants: { '': 'code', authorization_code: 'code', fb_exchange_token: 'exchange' },
    },
  ],
  revocation: {
    ...{ method: 'delete', path: '/:version/me/permissions', proof: 'bearer' },
    body: { success: true },
  },
  ...{ scopeSeparator: ',', pkce: 'none', codeSeconds: 600 },
  ...{ accessSeconds: briefSeconds, exchangedSeconds: longSeconds, refreshSeconds: null, rotates: false },
  tokenBody: ({ accessToken, expiresInSeconds }) => ({
    ...{ access_token: accessToken, token_type: 'bearer', expires_in: expiresInSeconds },
  }),
  errorBody: graphOAuthError,
};

const graphCodes: Readonly<Record<string, number>> = {
  // Of an application that is known, with a wrong secret; second-hand.
  invalid_client: 1,
  invalid_token: 190,
  too_many_requests: 4,
  server_error: 2,
};

/** OAuth's errors as the Graph API words them: a code that is bad is a parameter, a token that is bad is dead. */
export function graphOAuthError(error: string, message: string, grant?: string) {
  const isDeadToken = error === 'invalid_grant' && grant !== 'code';
  const code = isDeadToken ? 190 : (graphCodes[error] ?? (/^\d+$/.test(error) ? Number(error) : 100));
  const fbtrace_id = `A${randomBytes(16).toString('base64url')}`;
  return { status: 400, body: { error: { message, type: 'OAuthException', code, fbtrace_id } } };
}

const allTasks = ['ANALYZE', 'ADVERTISE', 'MESSAGING', 'MODERATE', 'CREATE_CONTENT', 'MANAGE'];

function issuedOf(context: SandboxContext, platform: Platform, call: Call): IssuedToken | undefined {
  const token = bearerToken(call) ?? readText(readParameters(call).access_token) ?? '';
  return context.accounts.findIssued(platform, token, context.now());
}

/** Whether a token came of a person's consent and is no page's. */
export function isPersonal(context: SandboxContext, platform: Platform, call: Call): boolean {
  const issued = issuedOf(context, platform, call);
  return issued !== undefined && issued.madeOf === undefined;
}

/** What a person's token tells of the person: pages, each with a token of its own, and permissions. */
export function createPersonReads<Name extends 'facebook' | 'instagram'>(
  context: SandboxContext,
  platform: Name,
  pageFor: (account: Account) => Record<string, unknown> & { id: string },
): Operation[] {
  const subject = (call: Call) => call.accounts[0]?.externalId;
  const nameOf = (list: 'pages' | 'permissions' | 'businesses') =>
    `${platform}.${list}.list` as OperationName;

  /**
   * Made of a person's long-lived token it has no end, of a brief one that one's; it dies with what the person allowed. A
   * registered token stands for itself.
   */
  async function pageTokenOf(account: Account): Promise<string> {
    const origin = context.accounts.findIssued(platform, account.token, context.now());
    if (!origin || origin.madeOf !== undefined) return account.token;
    const token = createHash('sha256').update(`${account.token} ${account.externalId}`).digest('base64url');
    if (!context.accounts.findIssued(platform, token, context.now())) {
      const { scopes, expiresAt } = origin;
      const lifeMs = Date.parse(expiresAt ?? '') - Date.parse(origin.issuedAt);
      const end = lifeMs <= briefSeconds * 1_000 ? { expiresAt } : {};
      const externalIds = [account.externalId];
      const issuedAt = context.now().toISOString();
      await context.accounts.issue({
        platform,
        token,
        scopes,
        externalIds,
        issuedAt,
        madeOf: account.token,
        ...end,
      });
    }
    return token;
  }

  const listPages: Operation = {
    ...{ name: nameOf('pages'), method: 'get', path: '/:version/me/accounts', subject },
    async handle(call) {
      requireVersion(call);
      const accounts = call.accounts.filter(({ scopes }) => scopes.includes('pages_show_list'));
      const known = ['id', 'name', 'access_token', 'tasks', 'instagram_business_account'];
      const fields = readFields(call, known, ['id', 'name', 'access_token', 'tasks']);
      const pages = await Promise.all(
        accounts.map(async (account) => ({
          ...{ name: account.name, access_token: await pageTokenOf(account), tasks: allTasks },
          ...pageFor(account),
        })),
      );
      // Lists are cut by the ids of what they hold.
      const listed = pages.map((page) => ({
        page,
        publicId: page.id,
        acceptedAt: call.receivedAt.toISOString(),
      }));
      return pageOf(call, listed, ({ page }) => select(page, fields));
    },
  };

  const listPermissions: Operation = {
    ...{ name: nameOf('permissions'), method: 'get', path: '/:version/me/permissions', subject },
    handle(call) {
      requireVersion(call);
      const granted = issuedOf(context, platform, call)?.scopes;
      const scopes = new Set(granted ?? call.accounts.flatMap((account) => account.scopes));
      const data = [...scopes].map((permission) => ({ permission, status: 'granted' }));
      return jsonReply(200, { data });
    },
  };

  /** The sandbox's people have no business. */
  const listBusinesses: Operation = {
    ...{ name: nameOf('businesses'), method: 'get', path: '/:version/me/businesses', subject },
    handle(call) {
      requireVersion(call);
      if (call.accounts.some(({ scopes }) => scopes.includes('business_management')))
        return jsonReply(200, { data: [] });
      throw refusal(403, { code: 100 }, '(#100) Missing Permissions');
    },
  };

  return platform === 'facebook'
    ? [listPages, listPermissions, listBusinesses]
    : [listPages, listPermissions];
}
