import { OutcomeError } from '../../domain/outcome.ts';
import type { ConnectableAccount, Connector } from './connector.ts';
import type { AdapterOptions, Timings } from './definition.ts';
import { createFacebookLogin, type FacebookPage, pageObstacle } from './facebook-login.ts';
import { createGraph, dataOf, type Graph, idOf } from './graph.ts';
import { path } from './http.ts';
import type { CallContext } from './publisher.ts';

const publishingScopes = ['pages_show_list', 'pages_read_engagement', 'pages_manage_posts'];

/**
 * Pages are connected through Facebook Login; each has a token of its own. Pages that a business holds may be missing from
 * a person's own list: they are found with `business_management`, which is asked for only where the platform app names it.
 */
export function connectFacebook(options: AdapterOptions, defaults: Timings): Connector {
  const graph = createGraph(options, { name: 'Facebook', host: 'graph', defaults });
  const login = createFacebookLogin(options, graph, {
    // The last two are for comments.
    defaultScopes: [...publishingScopes, 'pages_manage_engagement', 'pages_read_user_content'],
    requiredScopes: publishingScopes,
    pageFields: [],
    mapPages: (pages) => pages.map(mapPage),
  });
  return {
    ...login,
    listAccounts: async (accessToken, context) => {
      const own = await login.listAccounts(accessToken, context);
      const known = new Set(own.map(({ externalId }) => externalId));
      const held = await readBusinessPages(graph, accessToken, context);
      return [...own, ...held.filter(({ id }) => !known.has(id)).map(mapPage)];
    },
  };
}

/** None where the permission was not given. */
async function readBusinessPages(
  graph: Graph,
  accessToken: string,
  context: CallContext,
): Promise<readonly FacebookPage[]> {
  const pages = new Map<string, FacebookPage>();
  try {
    const what = 'Facebook list of businesses';
    const query = 'fields=id&limit=100';
    const body = await graph.get(accessToken, context, { path: '/me/businesses', query, what });
    for (const business of dataOf(body, what)) {
      for (const edge of ['owned_pages', 'client_pages']) {
        const held = await listBusinessPages(graph, accessToken, idOf(business, what), edge, context);
        for (const page of held) pages.set(page.id, page);
      }
    }
  } catch (error) {
    // The person's own list was answered with the same token: it is this permission that is missing.
    const isForbidden = error instanceof OutcomeError && ['unauthorized', 'rejected'].includes(error.code);
    if (!isForbidden) throw error;
  }
  return [...pages.values()];
}

async function listBusinessPages(
  graph: Graph,
  accessToken: string,
  businessId: string,
  edge: string,
  context: CallContext,
): Promise<readonly FacebookPage[]> {
  const what = 'Facebook list of pages of a business';
  const body = await graph.get(accessToken, context, {
    path: path`/${businessId}/${edge}`,
    query: 'fields=id,name,access_token,tasks&limit=100',
    what,
  });
  return dataOf(body, what).map((page) => ({
    id: idOf(page, what),
    name: typeof page.name === 'string' ? page.name : idOf(page, what),
    accessToken: typeof page.access_token === 'string' ? page.access_token : null,
    tasks: Array.isArray(page.tasks) ? page.tasks.filter((task) => typeof task === 'string') : [],
    body: page,
  }));
}

const mapPage = (page: FacebookPage): ConnectableAccount => ({
  kind: 'page',
  externalId: page.id,
  name: page.name,
  accessToken: page.accessToken,
  obstacle: pageObstacle(page),
});
