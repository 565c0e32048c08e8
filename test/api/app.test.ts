import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { buildOpenApi, openApiText } from '../../api/openapi.ts';
import { permissions } from '../../api/permissions.ts';
import { createTestTenant, signToken, startTestApi, type TestApi } from './fixture.ts';

describe('the OpenAPI document', () => {
  const document = buildOpenApi();
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { operationId?: string; security?: unknown }>).map(
      ([method, operation]) => ({ path, method, ...operation }),
    ),
  );

  test('is committed as it is generated', () => {
    const committed = readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8');
    expect(openApiText()).toBe(committed);
  });

  test.each(operations)('$method $path has a row in the permission table', ({ operationId, security }) => {
    expect(Object.keys(permissions)).toContain(operationId);
    const isOpen = permissions[operationId as keyof typeof permissions] === 'anybody';
    expect(security === undefined).toBe(isOpen);
  });

  test('every row of the permission table is an operation', () => {
    const ids = operations.map((operation) => operation.operationId);
    expect(ids.sort()).toEqual(Object.keys(permissions).sort());
  });
});

describe('the process', () => {
  let api: TestApi;
  let isTemporalUp = true;
  beforeAll(async () => {
    const temporal = async () => {
      if (!isTemporalUp) throw new Error('connection refused by 10.0.0.7');
    };
    api = await startTestApi({ readiness: { postgres: async () => {}, temporal } });
  });
  afterAll(() => api.stop());

  test('tells whether it runs, and truthfully whether it is ready', async () => {
    expect((await api.send('GET', '/healthz')).body).toEqual({ status: 'ok' });
    const ready = await api.send('GET', '/readyz');
    expect([ready.status, ready.body.status]).toEqual([200, 'ready']);
    isTemporalUp = false;
    const notReady = await api.send('GET', '/readyz');
    expect(notReady.status).toBe(503);
    expect(notReady.body).toEqual({
      status: 'not-ready',
      checks: { postgres: { state: 'ok' }, temporal: { state: 'failed' } },
    });
    expect((await api.send('GET', '/healthz')).status).toBe(200);
  });

  test('serves its document and the pages that show it, with nothing from elsewhere', async () => {
    const document = await api.send('GET', '/api/v1/openapi.json');
    expect(document.text).toBe(openApiText());
    expect(document.headers.get('content-type')).toContain('application/json');
    const page = await api.send('GET', '/docs');
    expect(page.text).not.toMatch(/https?:\/\//);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    for (const [, path] of page.text.matchAll(/(?:src|href)="([^"]+)"/g))
      expect([path, (await api.send('GET', path!)).status]).toEqual([path, 200]);
  });

  test('takes a sane request id and makes its own otherwise', async () => {
    const sane = await api.send('GET', '/healthz', { headers: { 'X-Request-Id': 'trace-1' } });
    expect(sane.headers.get('x-request-id')).toBe('trace-1');
    const odd = await api.send('GET', '/healthz', { headers: { 'X-Request-Id': 'a b"c' } });
    expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('answers 503, not 500, while the database is away', async () => {
    const { Pool } = (await import('pg')).default;
    const away = new Pool({ connectionString: 'postgres://nobody:none@127.0.0.1:1/none' });
    const other = await startTestApi({ pool: away });
    const token = await signToken({ subject: 'viewer', tenant: '00000000-0000-4000-8000-000000000001' });
    const reply = await other.send('GET', '/api/v1/posts', { token });
    expect([reply.status, reply.body.code, reply.headers.get('retry-after')]).toEqual([
      503,
      'unavailable',
      '5',
    ]);
    await other.stop();
    await away.end();
  });
});

describe('an issuer with a key set', () => {
  test('speaks for its tenants and roles alone', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
    const server = createServer((_request, response) => {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(keys));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const base = await startTestApi();
    const tenant = await createTestTenant(base);
    const other = await createTestTenant(base);
    const { openPool } = await import('../../db/pool.ts');
    const pool = openPool({
      connectionString: base.database.apiUrl,
      applicationName: 'jwks',
      onIdleError: () => {},
    });
    const api = await startTestApi({
      pool,
      auth: {
        mode: 'claims',
        issuers: [
          {
            issuer: 'https://jwks.test',
            audience: 'gatepost',
            algorithm: 'ES256',
            jwksUrl,
            tenants: [tenant.id],
            roles: ['content_manager', 'viewer'],
          },
        ],
      },
    });
    const read = async (claims: { tenant: string; role: string }) => {
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
        .setSubject('host user 7')
        .setIssuer('https://jwks.test')
        .setAudience('gatepost')
        .setExpirationTime('5m')
        .sign(privateKey);
      const reply = await api.send('GET', '/api/v1/me', { token });
      return [reply.status, reply.body.role ?? reply.body.code];
    };
    expect(await read({ tenant: tenant.id, role: 'viewer' })).toEqual([200, 'viewer']);
    expect(await read({ tenant: tenant.id, role: 'super_admin' })).toEqual([401, 'token-invalid']);
    expect(await read({ tenant: other.id, role: 'viewer' })).toEqual([401, 'token-invalid']);
    await api.stop();
    await pool.end();
    await base.stop();
    server.closeAllConnections();
    server.close();
  });
});

test('keeps the token in the address of a local Web UI out of the log', async () => {
  const key = Buffer.alloc(32, 1);
  const keys = {
    tenantOf: () => null,
    keyFor: async () => ({ keyId: 'one', key }),
    keyById: async () => key,
  };
  const api = await startTestApi({ codec: { keys, tokenInPath: true } });
  const token = await signToken({ subject: 'root', role: 'super_admin' });
  const body = { payloads: [{ metadata: {}, data: '' }] };
  const decoded = await api.send('POST', `/codec/${token}/decode`, { body });
  expect(decoded.body).toEqual(body);
  expect(api.logLines.join('\n')).toContain('/codec/[redacted]');
  expect(api.logLines.join('\n')).not.toContain(token);
  await api.stop();
});
