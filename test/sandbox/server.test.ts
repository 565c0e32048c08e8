import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox } from '../../sandbox/server.ts';
import {
  createContainer,
  createLinkedInPost,
  createTestClient,
  finishedContainer,
  instagram,
  instagramAccount,
  jpeg,
  json,
  member,
  postBody,
  publish,
  settledStatus,
  startPictureHost,
  startTestSandbox,
  type TestSandbox,
  uploadImage,
} from './helpers.ts';

let stateDir: string;
let sandbox: TestSandbox;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'sandbox-test-'));
  sandbox = await startTestSandbox({ stateDir });
});
afterEach(async () => {
  await sandbox.stop();
  await rm(stateDir, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  await sandbox.stop();
  sandbox = createTestClient(await startSandbox({ port: 0, stateDir }));
}

describe('a restart', () => {
  it('keeps ledger, accounts, settings, images and pictures', async () => {
    const image = await uploadImage(sandbox, member, 'member-token', await jpeg());
    await createLinkedInPost(sandbox, postBody('Before', member, { media: { id: image } }));
    const before = await sandbox.ledger();
    await restart();
    const [entry] = await sandbox.ledger();
    expect(entry).toMatchObject({
      ledgerId: before[0]!.ledgerId,
      text: 'Before',
      receivedAt: before[0]!.receivedAt,
    });
    expect((await fetch(entry!.media[0]!.url)).status).toBe(200);
    const body = postBody('After', member, { media: { id: image } });
    expect((await createLinkedInPost(sandbox, body)).status).toBe(201);
    expect(await json(await sandbox.control('GET', '/settings'))).toMatchObject({ imageProcessingMs: 0 });
  });

  it('does not make a published container usable again', async () => {
    const pictures = await startPictureHost({ '/square.jpg': await jpeg() });
    const container = await finishedContainer(sandbox, { image_url: `${pictures.url}/square.jpg` });
    await publish(sandbox, container);
    await restart();
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'PUBLISHED' });
    expect((await publish(sandbox, container)).status).toBe(400);
    await pictures.stop();
  });

  it('fetches again what a container was waiting for', async () => {
    const pictures: Record<string, Buffer> = {};
    const host = await startPictureHost(pictures);
    const container = await createContainer(sandbox, { image_url: `${host.url}/slow` });
    await restart();
    await sandbox.settings({ mediaFetchTimeoutMs: 50 });
    const fresh = await instagram(sandbox, 'GET', `${container}?fields=status_code`);
    expect(await json(fresh)).toMatchObject({ status_code: 'IN_PROGRESS' });
    await host.stop();
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'ERROR' });
  });

  it('cuts off a torn last line and writes on after it', async () => {
    await createLinkedInPost(sandbox, postBody('Whole'));
    await sandbox.stop();
    await appendFile(join(stateDir, 'ledger.jsonl'), '{"kind":"post","post":{"ledgerId":"torn');
    sandbox = createTestClient(await startSandbox({ port: 0, stateDir }));
    expect((await createLinkedInPost(sandbox, postBody('Next'))).status).toBe(201);
    await restart();
    expect((await sandbox.ledger()).map(({ text }) => text)).toEqual(['Whole', 'Next']);
  });

  it('refuses a ledger that is damaged in the middle', async () => {
    await createLinkedInPost(sandbox, postBody('One'));
    await sandbox.stop();
    const path = join(stateDir, 'ledger.jsonl');
    await writeFile(path, `not json\n${await readFile(path, 'utf8')}`);
    await expect(startSandbox({ port: 0, stateDir })).rejects.toThrow('line 1, is not JSON');
  });
});

describe('the ledger', () => {
  it('is on the disk before the platform answers', async () => {
    const response = await createLinkedInPost(sandbox, postBody('Durable'));
    const written = await readFile(join(stateDir, 'ledger.jsonl'), 'utf8');
    expect(written).toContain(response.headers.get('x-restli-id'));
  });

  it('takes a burst, each post once', async () => {
    const texts = Array.from({ length: 200 }, (_, index) => `Post ${index}`);
    const responses = await Promise.all(texts.map((text) => createLinkedInPost(sandbox, postBody(text))));
    expect(new Set(responses.map((response) => response.headers.get('x-restli-id'))).size).toBe(200);
    expect((await sandbox.ledger()).map(({ text }) => text).sort()).toEqual(texts.sort());
  });

  it('is asked by platform, account and time', async () => {
    await createLinkedInPost(sandbox, postBody('x'));
    const [entry] = await sandbox.ledger();
    const count = async (query: string) => (await sandbox.ledger(query)).length;
    expect(await count('?platform=linkedin')).toBe(1);
    expect(await count('?platform=instagram')).toBe(0);
    expect(await count(`?externalId=${encodeURIComponent(member)}`)).toBe(1);
    expect(await count(`?externalId=${instagramAccount}`)).toBe(0);
    expect(await count(`?since=${entry!.receivedAt}`)).toBe(1);
    expect(await count('?since=2100-01-01T00:00:00Z')).toBe(0);
  });
});

describe('the control routes', () => {
  it('reset everything, also on the disk', async () => {
    await createLinkedInPost(sandbox, postBody('x'));
    expect((await sandbox.control('DELETE', '/state')).status).toBe(204);
    expect(await sandbox.ledger()).toEqual([]);
    expect((await createLinkedInPost(sandbox, postBody('x'))).status).toBe(401);
    await restart();
    expect(await sandbox.ledger()).toEqual([]);
    expect(await json(await sandbox.control('GET', '/accounts'))).toEqual({ accounts: [] });
  });

  it('end what hangs when they reset, without effect', async () => {
    await sandbox.fault({ operation: 'linkedin.posts.create', kind: 'delay', ms: 60_000 });
    const hanging = createLinkedInPost(sandbox, postBody('x'));
    const closed = expect(hanging).rejects.toThrow('fetch failed');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await sandbox.control('DELETE', '/state');
    await closed;
    expect(await sandbox.ledger()).toEqual([]);
  });

  it('show no token, in accounts and requests', async () => {
    await createLinkedInPost(sandbox, postBody('x'));
    await sandbox.get('/instagram/v26.0/me?access_token=instagram-token');
    const shown = await Promise.all(
      ['/accounts', '/requests'].map(async (path) => (await sandbox.control('GET', path)).text()),
    );
    expect(shown.join()).not.toMatch(/member-token|instagram-token/);
    expect(await sandbox.requests('linkedin.posts.create')).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/linkedin/rest/posts',
        externalId: member,
        headers: expect.objectContaining({ authorization: '[redacted]', 'linkedin-version': '202609' }),
        bodySha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        answered: { outcome: 'answered', status: 201, durationMs: expect.any(Number) },
      }),
    ]);
  });

  it('are closed to pages of other origins', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { origin: 'https://elsewhere.example' };
      request(`${sandbox.url}/_control/state`, { method: 'DELETE', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });

  it('refuse accounts that no platform has', async () => {
    const account = { platform: 'instagram', kind: 'member', externalId: '1', name: 'x', token: 't' };
    const response = await sandbox.control('POST', '/accounts', account);
    expect(response.status).toBe(400);
    expect((await json<{ error: string }>(response)).error).toContain(
      'instagram has no accounts of kind member',
    );
  });
});

describe('the feed', () => {
  it('says so when nothing has gone live', async () => {
    const page = await (await sandbox.get('/')).text();
    expect(page).toContain('Nothing has gone live yet.');
  });

  it('shows a card per post, newest first, with its facts', async () => {
    const image = await uploadImage(sandbox, member, 'member-token', await jpeg());
    await createLinkedInPost(sandbox, postBody('Older\nwith two lines'));
    await createLinkedInPost(
      sandbox,
      postBody('Newer', member, { media: { id: image, altText: 'A square' } }),
    );
    const page = await (await sandbox.get('/?platform=linkedin')).text();
    const [, newer] = await sandbox.ledger();
    expect(page.indexOf('Newer')).toBeLessThan(page.indexOf('Older\nwith two lines'));
    for (const shown of [
      newer!.ledgerId,
      newer!.publicId,
      newer!.receivedAt,
      'Ada Lovelace',
      'alt="A square"',
    ]) {
      expect(page).toContain(shown);
    }
    expect(await (await sandbox.get('/?platform=instagram')).text()).not.toContain('<article');
    expect(await (await fetch(newer!.feedUrl)).text()).toContain('Newer');
    expect((await sandbox.get(`/feed/update/${newer!.publicId}`)).status).toBe(200);
    expect((await sandbox.get('/posts/none')).status).toBe(404);
    const { posts } = await json<{ posts: { text: string }[] }>(await sandbox.get('/feed.json'));
    expect(posts.map(({ text }) => text)).toEqual(['Newer', 'Older\nwith two lines']);
  });

  it('escapes what posts and accounts say, and allows no script', async () => {
    await sandbox.control('POST', '/accounts', {
      platform: 'linkedin',
      kind: 'member',
      externalId: member,
      name: '<b>Ada</b>',
      token: 'member-token',
    });
    const image = await uploadImage(sandbox, member, 'member-token', await jpeg());
    const content = { media: { id: image, altText: '"><script>alert(2)</script>' } };
    await createLinkedInPost(
      sandbox,
      postBody('\\<img src=x onerror="alert\\(1\\)"\\> & \'', member, content),
    );
    const response = await sandbox.get('/');
    const page = await response.text();
    expect(page).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; &#39;');
    expect(page).toContain('&lt;b&gt;Ada&lt;/b&gt;');
    expect(page).not.toMatch(/<script|<img src=x|<b>/);
    expect(response.headers.get('content-security-policy')).toMatch(
      /default-src 'none'; img-src 'self'; media-src 'self'; style-src 'nonce-/,
    );
  });
});
