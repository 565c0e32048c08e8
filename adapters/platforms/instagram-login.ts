import type { Connector } from './connector.ts';
import { type AdapterOptions, hostOf, reaching } from './definition.ts';
import { createGraph, type Graph, type GraphSetup, idOf } from './graph.ts';
import { createMetaLogin } from './meta-login.ts';

const requiredScopes = ['instagram_business_basic', 'instagram_business_content_publish'];

/**
 * Instagram Login: professional accounts without a Facebook page, one for each authorisation. Its tokens go to Instagram's
 * own hosts alone.
 */
// https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
export function connectWithInstagram(options: AdapterOptions, setup: Omit<GraphSetup, 'host'>): Connector {
  const graphAt = (host: string, version: string): Graph =>
    createGraph({ ...reaching(options, host), version }, { ...setup, host });
  const graph = graphAt('instagram', options.version);
  return createMetaLogin({
    ...{ name: 'Instagram', prefix: 'ig', authorizeHost: hostOf(options, 'login') },
    ...{ codes: graphAt('token', ''), tokens: graphAt('instagram', '') },
    defaultScopes: [...requiredScopes, 'instagram_business_manage_comments'],
    requiredScopes,
    listAccounts: async (accessToken, context) => {
      const what = 'Instagram account';
      const body = await graph.get(accessToken, context, {
        ...{ path: '/me', query: 'fields=user_id,username', what },
      });
      const externalId = idOf({ id: body.user_id }, what);
      const name = typeof body.username === 'string' ? body.username : externalId;
      return [{ kind: 'professional', externalId, name, accessToken: null, obstacle: null }];
    },
  });
}
