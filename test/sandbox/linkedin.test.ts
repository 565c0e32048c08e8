import { sha256Of } from '../../sandbox/media.ts';
import {
  createClock,
  createLinkedInPost,
  initializeImage,
  jpeg,
  json,
  linkedinHeaders,
  member,
  organization,
  postBody,
  register,
  startTestSandbox,
  type TestSandbox,
  uploadImage,
} from './helpers.ts';

let sandbox: TestSandbox;
let clock: ReturnType<typeof createClock>;

beforeEach(async () => {
  clock = createClock();
  sandbox = await startTestSandbox({ now: clock.now });
});
afterEach(() => sandbox.stop());

async function findPosts(author: string, token: string, headers: Record<string, string> = {}) {
  return sandbox.get(
    `/linkedin/rest/posts?q=author&author=${encodeURIComponent(author)}&count=10&sortBy=LAST_MODIFIED`,
    { headers: { ...linkedinHeaders(token), 'x-restli-method': 'FINDER', ...headers } },
  );
}

function getImage(image: string, token: string) {
  return sandbox.get(`/linkedin/rest/images/${encodeURIComponent(image)}`, {
    headers: linkedinHeaders(token),
  });
}

describe('a text post', () => {
  it('is answered with its URN in a header and an empty body, and is in the ledger', async () => {
    const response = await createLinkedInPost(sandbox, postBody('One \\(two\\) #three'));
    expect(response.status).toBe(201);
    expect(await response.text()).toBe('');
    const urn = response.headers.get('x-restli-id');
    expect(urn).toMatch(/^urn:li:share:\d{19}$/);
    expect(await sandbox.ledger()).toEqual([
      expect.objectContaining({
        platform: 'linkedin',
        externalId: member,
        accountName: 'Ada Lovelace',
        postType: 'TEXT_ONLY',
        text: 'One (two) #three',
        rawText: 'One \\(two\\) #three',
        altTexts: [],
        media: [],
        publicId: urn,
        permalink: `${sandbox.url}/feed/update/${urn}`,
        receivedAt: '2026-11-21T12:00:00.000Z',
        requestId: response.headers.get('x-li-uuid'),
        rawBody: JSON.stringify(postBody('One \\(two\\) #three')),
      }),
    ]);
  });

  it('shows a reader the names of mentions and hashtag templates', async () => {
    const raw = 'Hi @[Analytical Ltd](urn:li:organization:42), {hashtag|\\#|engines} a\\_b';
    await createLinkedInPost(sandbox, postBody(raw));
    expect((await sandbox.ledger())[0]).toMatchObject({
      text: 'Hi Analytical Ltd, #engines a_b',
      rawText: raw,
    });
  });

  it.each([
    ['a reserved character without its escape', postBody('One (two)'), 400, 'INVALID_VALUE_FOR_FIELD'],
    ['more than 3000 characters', postBody('x'.repeat(3001)), 400, 'FIELD_LENGTH_TOO_LONG'],
    ['nothing to say', postBody('  '), 400, 'INVALID_VALUE_BLANK_FIELD'],
    ['no commentary', { ...postBody('x'), commentary: undefined }, 400, 'MISSING_FIELD'],
    ['an unknown visibility', { ...postBody('x'), visibility: 'ALL' }, 400, 'INVALID_VALUE_FOR_FIELD'],
    ['an author of another token', postBody('x', organization), 403, 'ACCESS_DENIED'],
    ['an author that is no URN', postBody('x', 'ada'), 400, 'INVALID_URN_TYPE'],
    [
      'an image nobody made',
      postBody('x', member, { media: { id: 'urn:li:image:none' } }),
      400,
      'INVALID_IMAGE_ID',
    ],
  ])('with %s is refused', async (_what, body, status, code) => {
    const response = await createLinkedInPost(sandbox, body);
    expect([response.status, await json(response)]).toEqual([
      status,
      expect.objectContaining({ status, code }),
    ]);
    expect(await sandbox.ledger()).toEqual([]);
  });

  it('of 3000 characters passes however many escapes it needs', async () => {
    const response = await createLinkedInPost(sandbox, postBody('\\('.repeat(3000)));
    expect(response.status).toBe(201);
  });

  it('is a duplicate of the same body by the same author for ten minutes', async () => {
    const first = await createLinkedInPost(sandbox, postBody('Same'));
    const again = await createLinkedInPost(sandbox, postBody('Same'));
    expect(again.status).toBe(422);
    expect(await json(again)).toMatchObject({
      status: 422,
      message: `Content is a duplicate of ${first.headers.get('x-restli-id')}`,
    });
    clock.advance(600_001);
    expect((await createLinkedInPost(sandbox, postBody('Same'))).status).toBe(201);
    expect(await sandbox.ledger()).toHaveLength(2);
  });

  it('is accepted once when two identical bodies arrive together', async () => {
    const responses = await Promise.all(
      [1, 2, 3, 4].map(() => createLinkedInPost(sandbox, postBody('Race'))),
    );
    expect(responses.map(({ status }) => status).sort()).toEqual([201, 422, 422, 422]);
    expect(await sandbox.ledger()).toHaveLength(1);
  });
});

describe('the headers', () => {
  it.each([
    ['no version', { 'linkedin-version': '' }, 400, 'VERSION_MISSING'],
    ['a sunset version', { 'linkedin-version': '202501' }, 426, 'NONEXISTENT_VERSION'],
    ['another protocol version', { 'x-restli-protocol-version': '1.0.0' }, 400, 'ILLEGAL_ARGUMENT'],
    ['no token', { authorization: '' }, 401, 'EMPTY_ACCESS_TOKEN'],
    ['an unknown token', { authorization: 'Bearer stranger' }, 401, 'INVALID_ACCESS_TOKEN'],
  ])('with %s are refused', async (_what, headers, status, code) => {
    const response = await sandbox.get('/linkedin/rest/posts', {
      method: 'POST',
      headers: { ...linkedinHeaders('member-token'), ...headers },
      body: JSON.stringify(postBody('x')),
    });
    expect(response.status).toBe(status);
    expect(await json(response)).toEqual({
      status,
      code,
      message: expect.any(String),
      serviceErrorCode: expect.any(Number),
    });
  });

  it('refuse a token from the instant its account says', async () => {
    await register(sandbox, {
      platform: 'linkedin',
      kind: 'member',
      externalId: member,
      name: 'Ada Lovelace',
      token: 'member-token',
      expiresAt: '2026-11-21T12:00:01Z',
    });
    expect((await createLinkedInPost(sandbox, postBody('Before'))).status).toBe(201);
    clock.advance(1000);
    const response = await createLinkedInPost(sandbox, postBody('After'));
    expect(response.status).toBe(401);
    expect(await json(response)).toMatchObject({ code: 'EXPIRED_ACCESS_TOKEN' });
  });
});

describe('images', () => {
  it('go from waiting over processing to available, and then into a post', async () => {
    await sandbox.settings({ imageProcessingMs: 5000 });
    const bytes = await jpeg();
    const { image, uploadUrl } = await initializeImage(sandbox, organization, 'organization-token');
    const content = { media: { id: image, altText: 'A square' } };
    const post = () =>
      createLinkedInPost(sandbox, postBody('Look', organization, content), { token: 'organization-token' });
    expect(await json(await post())).toMatchObject({ status: 400, code: 'MEDIA_ASSET_WAITING_UPLOAD' });

    expect(uploadUrl.startsWith(`${sandbox.url}/linkedin/dms-uploads/`)).toBe(true);
    const body = new Uint8Array(bytes);
    expect((await fetch(uploadUrl, { method: 'PUT', body })).status).toBe(401);
    const headers = { authorization: 'Bearer organization-token' };
    expect((await fetch(uploadUrl, { method: 'PUT', headers, body })).status).toBe(201);
    expect(await json(await getImage(image, 'organization-token'))).toMatchObject({ status: 'PROCESSING' });
    expect((await post()).status).toBe(400);

    clock.advance(5000);
    expect(await json(await getImage(image, 'organization-token'))).toMatchObject({ status: 'AVAILABLE' });
    expect((await post()).status).toBe(201);
    const [entry] = await sandbox.ledger();
    expect(entry).toMatchObject({
      postType: 'SINGLE_IMAGE',
      altTexts: ['A square'],
      media: [{ sha256: sha256Of(bytes), contentType: 'image/jpeg', bytes: bytes.length }],
    });
    const served = await fetch(entry!.media[0]!.url);
    expect(Buffer.from(await served.arrayBuffer()).equals(bytes)).toBe(true);
    expect(served.headers.get('content-type')).toBe('image/jpeg');
  });

  it('make a carousel of two to twenty, in their order', async () => {
    const pictures = [await jpeg(400, 400), await jpeg(300, 400)];
    const images: string[] = [];
    for (const picture of pictures) images.push(await uploadImage(sandbox, member, 'member-token', picture));
    const carousel = (ids: string[]) =>
      postBody('Two', member, {
        multiImage: { images: ids.map((id) => ({ id, altText: `of ${ids.length}` })) },
      });
    expect((await createLinkedInPost(sandbox, carousel(images.slice(0, 1)))).status).toBe(400);
    expect((await createLinkedInPost(sandbox, carousel(Array(21).fill(images[0]) as string[]))).status).toBe(
      400,
    );
    expect((await createLinkedInPost(sandbox, carousel(images))).status).toBe(201);
    const [entry] = await sandbox.ledger();
    expect(entry).toMatchObject({ postType: 'CAROUSEL', altTexts: ['of 2', 'of 2'] });
    expect(entry!.media.map(({ sha256 }) => sha256)).toEqual(pictures.map(sha256Of));
  });

  it('may be uploaded but not looked at with a member token', async () => {
    const image = await uploadImage(sandbox, member, 'member-token', await jpeg());
    const response = await getImage(image, 'member-token');
    expect(response.status).toBe(403);
    expect(await json(response)).toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('of another owner are refused in a post', async () => {
    const image = await uploadImage(sandbox, organization, 'organization-token', await jpeg());
    const response = await createLinkedInPost(sandbox, postBody('x', member, { media: { id: image } }));
    expect(await json(response)).toMatchObject({ status: 400, code: 'INVALID_IMAGE_ID' });
  });

  it('that are no images fail in processing', async () => {
    const image = await uploadImage(sandbox, member, 'member-token', Buffer.from('text'));
    const response = await createLinkedInPost(sandbox, postBody('x', member, { media: { id: image } }));
    expect(await json(response)).toMatchObject({ status: 400, code: 'MEDIA_ASSET_PROCESSING_FAILED' });
  });

  it('are refused at an upload address that is too old', async () => {
    const { uploadUrl } = await initializeImage(sandbox, member, 'member-token');
    clock.advance(3_600_000);
    const headers = { authorization: 'Bearer member-token' };
    const response = await fetch(uploadUrl, { method: 'PUT', headers, body: 'x' });
    expect(await json(response)).toMatchObject({ status: 400, code: 'EXPIRED_UPLOAD_URL' });
  });
});

describe('reading back', () => {
  it("lists an organisation's posts, newest first", async () => {
    for (const text of ['First', 'Second\\_']) {
      await createLinkedInPost(sandbox, postBody(text, organization), { token: 'organization-token' });
      clock.advance(1000);
    }
    const response = await findPosts(organization, 'organization-token');
    expect(response.status).toBe(200);
    const { elements } = await json<{ elements: unknown[] }>(response);
    expect(elements).toEqual([
      expect.objectContaining({
        id: expect.stringMatching(/^urn:li:share:/),
        author: organization,
        commentary: 'Second\\_',
        publishedAt: Date.parse('2026-11-21T12:00:01.000Z'),
        lifecycleState: 'PUBLISHED',
      }),
      expect.objectContaining({ commentary: 'First' }),
    ]);
  });

  it("is refused for a member's own posts", async () => {
    const created = await createLinkedInPost(sandbox, postBody('Mine'));
    const urn = encodeURIComponent(created.headers.get('x-restli-id')!);
    expect((await findPosts(member, 'member-token')).status).toBe(403);
    const read = await sandbox.get(`/linkedin/rest/posts/${urn}`, {
      headers: linkedinHeaders('member-token'),
    });
    expect(read.status).toBe(403);
  });

  it('needs the finder named and the URN encoded', async () => {
    expect((await findPosts(organization, 'organization-token', { 'x-restli-method': 'GET' })).status).toBe(
      400,
    );
    const headers = { ...linkedinHeaders('organization-token'), 'x-restli-method': 'FINDER' };
    const plain = await sandbox.get(`/linkedin/rest/posts?q=author&author=${organization}`, { headers });
    expect(plain.status).toBe(400);
  });

  it('may lag behind by a setting', async () => {
    await sandbox.settings({ listDelayMs: 2000 });
    await createLinkedInPost(sandbox, postBody('New', organization), { token: 'organization-token' });
    expect(await json(await findPosts(organization, 'organization-token'))).toMatchObject({ elements: [] });
    clock.advance(2000);
    const { elements } = await json<{ elements: unknown[] }>(
      await findPosts(organization, 'organization-token'),
    );
    expect(elements).toHaveLength(1);
  });
});

it('deletes a post, twice with the same answer, and keeps it in the ledger as removed', async () => {
  const created = await createLinkedInPost(sandbox, postBody('Gone', organization), {
    token: 'organization-token',
  });
  const path = `/linkedin/rest/posts/${encodeURIComponent(created.headers.get('x-restli-id')!)}`;
  const headers = linkedinHeaders('organization-token');
  expect(await json(await sandbox.get(path, { headers }))).toMatchObject({ commentary: 'Gone' });
  for (let time = 0; time < 2; time += 1) {
    expect((await sandbox.get(path, { method: 'DELETE', headers })).status).toBe(204);
  }
  expect((await sandbox.get(path, { headers })).status).toBe(404);
  expect(await sandbox.ledger()).toEqual([
    expect.objectContaining({ text: 'Gone', removedAt: '2026-11-21T12:00:00.000Z' }),
  ]);
});

it('tells who a token belongs to', async () => {
  const response = await sandbox.get('/linkedin/v2/userinfo', {
    headers: { authorization: 'Bearer member-token' },
  });
  expect(await json(response)).toMatchObject({ sub: 'abc', name: 'Ada Lovelace', given_name: 'Ada' });
});
