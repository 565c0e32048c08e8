import type { PlatformAddresses } from '../../../adapters/platforms/definition.ts';
import {
  createRegistry,
  liveEndpoints,
  RegistryError,
  sandboxEndpoints,
} from '../../../adapters/platforms/registry.ts';
import type { AccountKind, Platform } from '../../../domain/post.ts';
import { account, content, context, scripted } from './support.ts';

const sandbox = sandboxEndpoints('http://127.0.0.1:4010');
/** The sandbox, but for one platform. */
const except = (platform: Platform, fields: Partial<PlatformAddresses>) => ({
  ...sandbox,
  [platform]: { ...sandbox[platform], ...fields },
});
const organization = account({
  platform: 'linkedin',
  kind: 'organization',
  externalId: 'urn:li:organization:42',
});
const created = { status: 201, headers: { 'x-restli-id': 'urn:li:share:1' } };

function failureOf(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof RegistryError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('The call did not fail');
}

describe('the registry', () => {
  it.each([
    ['live', 'https://api.linkedin.com/rest/posts'],
    ['sandbox', 'http://127.0.0.1:4010/linkedin/rest/posts'],
  ] as const)('sends a tenant in mode %s to %s', async (mode, url) => {
    const { fetch, sent } = scripted(created);
    const registry = createRegistry({ live: liveEndpoints, sandbox, fetch });
    const { publisher } = registry.adapterFor({ platform: 'linkedin', kind: 'organization', mode });
    await publisher.commit(organization, content('TEXT_ONLY', 'x'), null, context());
    expect(sent.map((request) => request.url)).toEqual([url]);
  });

  it('refuses a sandbox tenant where no sandbox is configured, instead of taking the live address', () => {
    const registry = createRegistry({ live: liveEndpoints, sandbox: null, fetch: scripted().fetch });
    expect(
      failureOf(() => registry.adapterFor({ platform: 'instagram', kind: 'business', mode: 'sandbox' })),
    ).toEqual({
      code: 'no-sandbox',
      message: 'The tenant is in mode sandbox and no sandbox address is configured for instagram',
    });
  });

  it.each([
    ['the API', except('linkedin', { hosts: { api: 'https://api.linkedin.com' } })],
    ['another scheme and port', except('linkedin', { hosts: { api: 'http://api.linkedin.com:81' } })],
    ['the upload host', except('linkedin', { uploadOrigins: ['https://www.linkedin.com'] })],
    ['Instagram Login', except('instagram', { hosts: { graph: 'https://graph.instagram.com' } })],
    ['another platform', except('instagram', { hosts: { graph: 'https://api.linkedin.com' } })],
  ])('refuses a sandbox that names a live host: %s', (_what, endpoints) => {
    const create = () => createRegistry({ live: liveEndpoints, sandbox: endpoints, fetch: scripted().fetch });
    expect(failureOf(create).code).toBe('sandbox-is-live');
  });

  it('refuses a sandbox at the address of a proxy configured for live use', () => {
    const create = () => createRegistry({ live: sandbox, sandbox, fetch: scripted().fetch });
    expect(failureOf(create)).toEqual({
      code: 'sandbox-is-live',
      message: 'The sandbox address http://127.0.0.1:4010 is a live one',
    });
  });

  it('has an adapter for every account kind of a platform and for no other', () => {
    const registry = createRegistry({ live: liveEndpoints, sandbox: null, fetch: scripted().fetch });
    const capabilities = (platform: Platform, kind: AccountKind) => {
      const adapter = registry.adapterFor({ platform, kind, mode: 'live' });
      return [
        adapter.publisher.platform,
        adapter.publisher.kinds,
        'preparer' in adapter,
        'finder' in adapter,
      ];
    };
    expect(capabilities('linkedin', 'member')).toEqual(['linkedin', ['member'], true, false]);
    expect(capabilities('linkedin', 'organization')).toEqual(['linkedin', ['organization'], true, true]);
    expect(capabilities('instagram', 'business')).toEqual(['instagram', ['business'], true, true]);
    expect(failureOf(() => capabilities('instagram', 'member'))).toEqual({
      code: 'unknown-account',
      message: 'No adapter for instagram accounts of kind member',
    });
  });
});
