import { OutcomeError } from '../../domain/outcome.ts';
import type { ConnectableAccount, Connector, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { dataOf, type Graph, type GraphBody, requestingTokens } from './graph.ts';
import { isObject } from './http.ts';
import type { CallContext } from './publisher.ts';

/** How people log in with Facebook, for the platforms whose accounts hang on Facebook pages: pages and Instagram. */

// Limits

const pagesPerCall = 100;
const maxCalls = 20;

/** A page that the person has a role on. */
export interface FacebookPage {
  readonly id: string;
  readonly name: string;
  /** Does not expire while the person keeps the role, the password and the app. */
  readonly accessToken: string | null;
  /** What the person may do there, e.g. `CREATE_CONTENT`. */
  readonly tasks: readonly string[];
  /** All fields that were asked for. */
  readonly body: GraphBody;
}

export interface FacebookLogin {
  readonly defaultScopes: readonly string[];
  readonly requiredScopes: readonly string[];
  /** Read of every page besides what `FacebookPage` has. */
  readonly pageFields: readonly string[];
  readonly mapPages: (pages: readonly FacebookPage[]) => readonly ConnectableAccount[];
}

/**
 * The connector. Facebook has no refresh tokens and no PKCE: a code becomes a token of an hour or two, that one at once a
 * token of about 60 days, which is exchanged for a new one while it lives. The browser goes to the host `oauth`, the rest to the
 * Graph API.
 */
// https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived (read 2026-11-21)
export function createFacebookLogin(options: AdapterOptions, graph: Graph, login: FacebookLogin): Connector {
  const dialog = [hostOf(options, 'oauth'), options.version].filter((part) => part !== '').join('/');

  const requestToken = async (
    what: string,
    parameters: Readonly<Record<string, string>>,
    context: CallContext,
  ): Promise<GrantedToken> => {
    const { client_id, grant_type, redirect_uri, ...secrets } = parameters;
    const body = await requestingTokens(
      graph.get(null, context, {
        ...{ path: '/oauth/access_token', query: new URLSearchParams(parameters).toString(), what },
        secrets: Object.values(secrets),
      }),
    );
    return parseToken(body, what, graph.now());
  };
  const lengthen: Connector['refresh'] = async (app, { accessToken }, context) => {
    const granted = await requestToken(
      'Facebook exchange for a long-lived token',
      {
        grant_type: 'fb_exchange_token',
        client_id: app.clientId,
        client_secret: app.clientSecret,
        fb_exchange_token: accessToken,
      },
      context,
    );
    const scopes = await readScopes(graph, granted.accessToken, context);
    return { ...granted, refreshToken: null, refreshExpiresAt: null, scopes };
  };

  return {
    ...{ defaultScopes: login.defaultScopes, requiredScopes: login.requiredScopes },
    ...{ pkce: 'none', renewal: 'access-token' },
    authorizeUrl: ({ app, redirectUri, state, scopes }) =>
      `${dialog}/dialog/oauth?${new URLSearchParams({
        client_id: app.clientId,
        redirect_uri: redirectUri,
        state,
        response_type: 'code',
        scope: scopes.join(','),
      })}`,
    exchange: async ({ app, code, redirectUri }, context) => {
      const brief = await requestToken(
        'Facebook exchange of a code',
        {
          client_id: app.clientId,
          client_secret: app.clientSecret,
          redirect_uri: redirectUri,
          code,
        },
        context,
      );
      return lengthen(app, { accessToken: brief.accessToken, refreshToken: null }, context);
    },
    refresh: lengthen,
    // Takes back everything the person has granted the app, all its pages and accounts with it.
    revoke: async (_app, { accessToken }, context) => {
      const what = 'Facebook removal of permissions';
      await graph.remove(accessToken, context, { path: '/me/permissions', what });
    },
    listAccounts: async (accessToken, context) =>
      login.mapPages(await readPages(graph, accessToken, login.pageFields, context)),
  };
}

/** People may untick permissions: what they granted is read back. */
async function readScopes(graph: Graph, token: string, context: CallContext): Promise<readonly string[]> {
  const what = 'Facebook permissions';
  const body = await graph.get(token, context, { path: '/me/permissions', what });
  return dataOf(body, what).flatMap(({ permission, status }) =>
    typeof permission === 'string' && status === 'granted' ? [permission] : [],
  );
}

// Pages that a business holds may be missing here, which needs further permissions to find out.
async function readPages(
  graph: Graph,
  token: string,
  fields: readonly string[],
  context: CallContext,
): Promise<readonly FacebookPage[]> {
  const what = 'Facebook list of pages';
  const asked = ['id', 'name', 'access_token', 'tasks', ...fields].join(',');
  const pages: FacebookPage[] = [];
  let after = '';
  for (let calls = 0; calls < maxCalls; calls += 1) {
    const query = `fields=${encodeURIComponent(asked)}&limit=${pagesPerCall}${after && `&after=${encodeURIComponent(after)}`}`;
    const body = await graph.get(token, context, { path: '/me/accounts', query, what });
    pages.push(...dataOf(body, what).map((page) => parsePage(page, what)));
    const next = nextCursor(body);
    if (next === null) return pages;
    after = next;
  }
  return pages;
}

// Pure mappers

type GrantedToken = Pick<TokenSet, 'accessToken' | 'expiresAt'>;

function parseToken(body: GraphBody, what: string, now: Date): GrantedToken {
  const { access_token: accessToken, expires_in: seconds } = body;
  if (typeof accessToken !== 'string' || accessToken === '') {
    throw new OutcomeError('unexpected-response', `${what}: no access token in the answer`);
  }
  const expiresAt = typeof seconds === 'number' ? new Date(now.getTime() + seconds * 1_000) : null;
  return { accessToken, expiresAt };
}

function parsePage(body: GraphBody, what: string): FacebookPage {
  const { id, name, access_token: accessToken, tasks } = body;
  if (typeof id !== 'string') {
    throw new OutcomeError('unexpected-response', `${what}: a page has no id`);
  }
  return {
    ...{ id, body },
    name: typeof name === 'string' ? name : id,
    accessToken: typeof accessToken === 'string' ? accessToken : null,
    tasks: Array.isArray(tasks) ? tasks.filter((task) => typeof task === 'string') : [],
  };
}

/** Where the next part of a list begins; `null` at its end. */
function nextCursor({ paging }: GraphBody): string | null {
  if (!isObject(paging) || typeof paging.next !== 'string' || !isObject(paging.cursors)) return null;
  return typeof paging.cursors.after === 'string' ? paging.cursors.after : null;
}

/** What keeps a person from publishing for a page; `null` for nothing. */
export const pageObstacle = ({ name, tasks, accessToken }: FacebookPage): string | null => {
  if (!tasks.includes('CREATE_CONTENT')) return `Your role on the page ${name} does not allow publishing`;
  return accessToken === null ? `Facebook gave no token for the page ${name}` : null;
};
