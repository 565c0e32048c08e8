import { sha256Of } from '../../sandbox/media.ts';
import {
  createClock,
  createContainer,
  finishedContainer,
  instagram,
  instagramAccount,
  jpeg,
  json,
  type PictureHost,
  png,
  publish,
  register,
  settledStatus,
  startPictureHost,
  startTestSandbox,
  type TestSandbox,
} from './helpers.ts';

let sandbox: TestSandbox;
let pictures: PictureHost;
let square: Buffer;
let portrait: Buffer;
let clock: ReturnType<typeof createClock>;

beforeAll(async () => {
  square = await jpeg(400, 400);
  portrait = await jpeg(400, 500);
  pictures = await startPictureHost({
    '/square.jpg': square,
    '/portrait.jpg': portrait,
    '/wide.jpg': await jpeg(800, 400),
    '/picture.png': await png(),
    '/large.jpg': Buffer.alloc(8 * 1024 * 1024 + 1, 0xff),
  });
});
afterAll(() => pictures.stop());
beforeEach(async () => {
  clock = createClock();
  sandbox = await startTestSandbox({ now: clock.now });
});
afterEach(() => sandbox.stop());

const squarePost = (caption = 'Hello') => ({
  image_url: `${pictures.url}/square.jpg`,
  caption,
  alt_text: 'A square',
});

describe('a single image', () => {
  it('goes from its container to the ledger, and is read back by its id', async () => {
    const container = await finishedContainer(sandbox, squarePost());
    expect(pictures.userAgents.at(-1)).toBe('facebookexternalhit/1.1');
    const response = await publish(sandbox, container);
    expect(response.status).toBe(200);
    const { id } = await json<{ id: string }>(response);
    const [entry] = await sandbox.ledger('?platform=instagram');
    expect(entry).toMatchObject({
      externalId: instagramAccount,
      postType: 'SINGLE_IMAGE',
      text: 'Hello',
      altTexts: ['A square'],
      media: [{ sha256: sha256Of(square), contentType: 'image/jpeg' }],
      publicId: id,
      handle: container,
      rawBody: JSON.stringify({ creation_id: container }),
    });
    const fields = 'id,permalink,shortcode,media_type,media_product_type,timestamp,caption';
    expect(await json(await instagram(sandbox, 'GET', `${id}?fields=${fields}`))).toEqual({
      id,
      permalink: entry!.permalink,
      shortcode: entry!.shortcode,
      media_type: 'IMAGE',
      media_product_type: 'FEED',
      timestamp: '2026-11-21T12:00:00+0000',
      caption: 'Hello',
    });
    expect((await fetch(entry!.permalink)).status).toBe(200);
  });

  it('is published once from one container, however often and fast it is asked for', async () => {
    const container = await finishedContainer(sandbox, squarePost());
    const responses = await Promise.all([1, 2, 3].map(() => publish(sandbox, container)));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    const refused = await publish(sandbox, container);
    expect(await json(refused)).toMatchObject({ error: { code: 24, error_subcode: 2207008 } });
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'PUBLISHED' });
    expect(await sandbox.ledger()).toHaveLength(1);
  });

  it('is not published before its container is finished', async () => {
    await sandbox.settings({ containerProcessingMs: 5000 });
    const container = await createContainer(sandbox, squarePost());
    const response = await publish(sandbox, container);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ error: { code: 9007, error_subcode: 2207027 } });
    clock.advance(5000);
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'FINISHED' });
    expect((await publish(sandbox, container)).status).toBe(200);
  });

  it('is not published from a container older than a day', async () => {
    const container = await finishedContainer(sandbox, squarePost());
    clock.advance(86_400_000);
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'EXPIRED' });
    expect((await publish(sandbox, container)).status).toBe(400);
    expect(await sandbox.ledger()).toEqual([]);
  });

  it('takes its parameters and its token from a form, too', async () => {
    const form = new URLSearchParams({
      image_url: `${pictures.url}/square.jpg`,
      access_token: 'instagram-token',
    });
    const url = `/instagram/v25.0/${instagramAccount}/media`;
    const created = await sandbox.get(url, { method: 'POST', body: form });
    expect(created.headers.get('facebook-api-version')).toBe('v25.0');
    const { id } = await json<{ id: string }>(created);
    expect(await settledStatus(sandbox, id)).toMatchObject({ status_code: 'FINISHED' });
    const publishForm = new URLSearchParams({ creation_id: id, access_token: 'instagram-token' });
    await sandbox.get(`${url}_publish`, { method: 'POST', body: publishForm });
    expect((await sandbox.ledger())[0]).toMatchObject({
      rawBody: `creation_id=${id}&access_token=[redacted]`,
    });
  });

  it.each([
    ['/wide.jpg', 2207009],
    ['/picture.png', 2207005],
    ['/large.jpg', 2207004],
    ['/missing.jpg', 2207052],
    ['/moved', 2207052],
  ])('at %s ends in an error that carries subcode %i', async (path, subcode) => {
    const container = await createContainer(sandbox, { image_url: pictures.url + path });
    const { status_code: code, status } = await settledStatus(sandbox, container);
    expect([code, status]).toEqual(['ERROR', expect.stringContaining(String(subcode))]);
    expect((await publish(sandbox, container)).status).toBe(400);
  });

  it('that does not come in time ends in an error', async () => {
    await sandbox.settings({ mediaFetchTimeoutMs: 50 });
    const container = await createContainer(sandbox, { image_url: `${pictures.url}/slow` });
    expect((await settledStatus(sandbox, container)).status).toContain('2207003');
  });
});

describe('a carousel', () => {
  const child = (path: string, altText: string) =>
    finishedContainer(sandbox, { image_url: pictures.url + path, is_carousel_item: true, alt_text: altText });

  it.each([['array'], ['comma list']])(
    'is made of children given as %s, and shows them in order',
    async (shape) => {
      const ids = [await child('/square.jpg', 'one'), await child('/portrait.jpg', 'two')];
      const children = shape === 'array' ? ids : ids.join(',');
      const parent = await finishedContainer(sandbox, { media_type: 'CAROUSEL', children, caption: 'Both' });
      expect((await publish(sandbox, parent)).status).toBe(200);
      const [entry] = await sandbox.ledger();
      expect(entry).toMatchObject({ postType: 'CAROUSEL', text: 'Both', altTexts: ['one', 'two'] });
      expect(entry!.media.map(({ sha256 }) => sha256)).toEqual([square, portrait].map(sha256Of));
      const media = await instagram(sandbox, 'GET', `${entry!.publicId}?fields=media_type`);
      expect(await json(media)).toMatchObject({ media_type: 'CAROUSEL_ALBUM' });
    },
  );

  it('takes two to ten finished items', async () => {
    const id = await child('/square.jpg', 'one');
    const create = async (children: string[]) =>
      json(
        await instagram(sandbox, 'POST', `${instagramAccount}/media`, { media_type: 'CAROUSEL', children }),
      );
    const count = { error: { code: 100, error_subcode: 2207028 } };
    expect(await create([id])).toMatchObject(count);
    expect(await create(Array<string>(11).fill(id))).toMatchObject(count);
    await sandbox.settings({ containerProcessingMs: 5000 });
    const slow = await createContainer(sandbox, { ...squarePost(), is_carousel_item: true });
    expect(await create([id, slow])).toMatchObject({ error: { code: 9007, error_subcode: 2207027 } });
  });

  it('item is not published alone', async () => {
    expect((await publish(sandbox, await child('/square.jpg', 'one'))).status).toBe(400);
    expect(await sandbox.ledger()).toEqual([]);
  });
});

describe('refusals', () => {
  it.each([
    ['a caption over 2200 characters', { caption: 'x'.repeat(2201) }, 36004, 2207010],
    ['31 hashtags', { caption: '#tag '.repeat(31) }, 36004, 2207010],
    ['21 mentions', { caption: '@ada '.repeat(21) }, 100, 2207040],
    ['an unknown media type', { media_type: 'GIF' }, 100, 2207023],
    ['a video alone that is no reel', { media_type: 'VIDEO' }, 100, 2207023],
    ['a reel in a carousel', { media_type: 'REELS', is_carousel_item: true }, 100, 2207023],
    ['an address that is not ASCII', { image_url: 'http://127.0.0.1/ä.jpg' }, 9004, 2207052],
  ])('come for %s', async (_what, parameters, code, subcode) => {
    const body = { ...squarePost(), ...parameters };
    const response = await instagram(sandbox, 'POST', `${instagramAccount}/media`, body);
    expect(response.status).toBe(400);
    expect(await json(response)).toEqual({
      error: expect.objectContaining({
        message: expect.any(String),
        type: 'OAuthException',
        code,
        error_subcode: subcode,
        is_transient: false,
        fbtrace_id: expect.any(String),
      }),
    });
  });

  it('come as code 190 for an unknown token, and with subcode 463 for an expired one', async () => {
    const url = `/instagram/v26.0/${instagramAccount}/media`;
    const unknown = await sandbox.get(url, { headers: { authorization: 'Bearer stranger' } });
    expect([unknown.status, await json(unknown)]).toMatchObject([401, { error: { code: 190 } }]);
    await register(sandbox, {
      platform: 'instagram',
      kind: 'business',
      externalId: instagramAccount,
      name: 'Analytical',
      token: 'instagram-token',
      expiresAt: '2026-11-21T12:00:00Z',
    });
    const expired = await instagram(sandbox, 'GET', `${instagramAccount}/media`);
    expect(await json(expired)).toMatchObject({ error: { code: 190, error_subcode: 463 } });
  });

  it("come for another account's nodes", async () => {
    const other = '17841400000000002';
    await register(sandbox, {
      platform: 'instagram',
      kind: 'business',
      externalId: other,
      name: 'Other',
      token: 'other',
    });
    const container = await finishedContainer(sandbox, squarePost());
    const response = await sandbox.get(`/instagram/v26.0/${container}`, {
      headers: { authorization: 'Bearer other' },
    });
    expect(await json(response)).toMatchObject({ error: { code: 100, error_subcode: 33 } });
    expect(
      await json(
        await sandbox.get(`/instagram/v26.0/${instagramAccount}/media`, {
          headers: { authorization: 'Bearer other' },
        }),
      ),
    ).toMatchObject({ error: { code: 100, error_subcode: 33 } });
  });

  it('come beyond the daily caps, which the limit tells', async () => {
    await sandbox.settings({ publishesPerDay: 1, containersPerDay: 2 });
    const first = await finishedContainer(sandbox, squarePost());
    const second = await finishedContainer(sandbox, squarePost());
    const third = await instagram(sandbox, 'POST', `${instagramAccount}/media`, squarePost());
    expect(await json(third)).toMatchObject({ error: { code: 9, error_subcode: 2207042 } });
    await publish(sandbox, first);
    expect(await json(await publish(sandbox, second))).toMatchObject({
      error: { code: 9, error_subcode: 2207042 },
    });
    const limit = await instagram(
      sandbox,
      'GET',
      `${instagramAccount}/content_publishing_limit?fields=quota_usage,config`,
    );
    expect(await json(limit)).toEqual({
      data: [{ quota_usage: 1, config: { quota_total: 1, quota_duration: 86_400 } }],
    });
  });
});

describe('videos', () => {
  const create = (body: Record<string, unknown>) =>
    instagram(sandbox, 'POST', `${instagramAccount}/media`, body);
  const film = Buffer.concat([Buffer.from('\0\0\0\x18ftypisom'), Buffer.alloc(100, 7)]);
  const start = async () => {
    const body = { media_type: 'REELS', upload_type: 'resumable', caption: 'Moving @ada' };
    return json<{ id: string; uri: string }>(await create(body));
  };
  const send = (uri: string, bytes: Buffer, headers: Record<string, string> = {}) =>
    fetch(uri, {
      method: 'POST',
      headers: {
        authorization: 'OAuth instagram-token',
        ...{ offset: '0', file_size: String(film.length), ...headers },
      },
      body: new Uint8Array(bytes),
    });
  const progressOf = async (id: string) =>
    json(await instagram(sandbox, 'GET', `${id}?fields=status_code,video_status`));

  it.each([
    ['a reel without a video', { media_type: 'REELS', caption: 'x' }, 100],
    [
      'a cover that is not ASCII',
      { media_type: 'REELS', video_url: 'http://a.example/v', cover_url: 'ä' },
      9004,
    ],
    ['a thumb offset in words', { media_type: 'REELS', upload_type: 'resumable', thumb_offset: 'x' }, 1],
    ['alternative text of a video', { media_type: 'REELS', upload_type: 'resumable', alt_text: 'x' }, 100],
    [
      'four collaborators',
      { media_type: 'REELS', upload_type: 'resumable', collaborators: [1, 2, 3, 4] },
      100,
    ],
    ['an unknown trial', { media_type: 'REELS', upload_type: 'resumable', trial_params: {} }, 100],
  ])('are refused for %s', async (_what, body, code) => {
    const response = await create(body);
    expect([response.status, await json(response)]).toMatchObject([400, { error: { code } }]);
  });

  it('are taken from where they were broken off, and from nowhere else', async () => {
    const { id, uri } = await start();
    expect(uri).toBe(`${sandbox.url}/instagram/ig-api-upload/v26.0/${id}`);
    expect(await progressOf(id)).toMatchObject({
      ...{ status_code: 'IN_PROGRESS', video_status: { uploading_phase: { status: 'not_started' } } },
    });
    const partial = await send(uri, film.subarray(0, 50));
    expect([partial.status, await json(partial)]).toEqual([
      400,
      {
        debug_info: {
          ...{ retriable: false, type: 'PartialRequestError' },
          message: 'Partial request (did not match length of file)',
        },
      },
    ]);
    expect(await progressOf(id)).toMatchObject({
      video_status: { uploading_phase: { status: 'in_progress', bytes_transferred: 50 } },
    });
    const again = await send(uri, film);
    expect(await json(again)).toMatchObject({ debug_info: { type: 'OffsetInvalidError' } });
    const rest = await send(uri, film.subarray(50), { offset: '50' });
    expect(await json(rest)).toMatchObject({ success: true });
    expect(await settledStatus(sandbox, id)).toMatchObject({ status_code: 'FINISHED' });
    const { id: publicId } = await json<{ id: string }>(await publish(sandbox, id));
    const [entry] = await sandbox.ledger();
    expect(entry).toMatchObject({ postType: 'REEL', media: [{ sha256: sha256Of(film) }] });
    expect(entry!.permalink).toContain('/reel/');
    const fields = 'media_type,media_product_type,caption';
    // Captions are read without @ by an app that its user does not administer.
    expect(await json(await instagram(sandbox, 'GET', `${publicId}?fields=${fields}`))).toEqual({
      ...{ id: publicId, media_type: 'VIDEO', media_product_type: 'REELS', caption: 'Moving ada' },
    });
  });

  it.each([
    ['the wrong word before the token', { authorization: 'Bearer instagram-token' }, 401],
    ['no size', { file_size: '' }, 400],
  ])('are refused by the upload host for %s', async (_what, headers, status) => {
    const { uri } = await start();
    expect((await send(uri, film, headers)).status).toBe(status);
  });

  it('that are none end the upload', async () => {
    const { uri } = await start();
    const answer = await send(uri, Buffer.alloc(film.length, 7));
    expect(await json(answer)).toMatchObject({ debug_info: { type: 'ProcessingFailedError' } });
  });
});

describe('stories and comments', () => {
  it('stand apart from the posts', async () => {
    const story = { image_url: `${pictures.url}/wide.jpg`, media_type: 'STORIES', caption: 'Not shown' };
    await publish(sandbox, await finishedContainer(sandbox, story));
    const { id } = await json<{ id: string }>(
      await publish(sandbox, await finishedContainer(sandbox, squarePost())),
    );
    const said = await instagram(sandbox, 'POST', `${id}/comments`, { message: 'First!' });
    const { id: comment } = await json<{ id: string }>(said);
    await instagram(sandbox, 'POST', `${comment}/replies`, { message: 'Second!' });
    const entries = await sandbox.ledger();
    expect(entries.map(({ postType, text }) => [postType, text])).toEqual([
      ['STORY', ''],
      ['SINGLE_IMAGE', 'Hello'],
      ['REPLY', 'First!'],
      ['REPLY', 'Second!'],
    ]);
    expect(entries.map(({ parentId }) => parentId)).toEqual([undefined, undefined, id, comment]);
    const listed = async (path: string) =>
      (await json<{ data: { id: string }[] }>(await instagram(sandbox, 'GET', path))).data.map(
        (one) => one.id,
      );
    expect(await listed(`${instagramAccount}/media`)).toEqual([id]);
    expect(await listed(`${instagramAccount}/stories`)).toEqual([entries[0]!.publicId]);
    expect(await listed(`${id}/comments`)).toEqual([comment]);
    expect(await listed(`${comment}/replies`)).toEqual([entries[3]!.publicId]);
    clock.advance(86_400_000);
    expect(await listed(`${instagramAccount}/stories`)).toEqual([]);
    const below = await instagram(sandbox, 'POST', `${entries[0]!.publicId}/comments`, { message: 'x' });
    expect(below.status).toBe(400);
  });
});

it("lists an account's media since a time, newest first", async () => {
  for (const caption of ['First', 'Second', 'Third']) {
    await publish(sandbox, await finishedContainer(sandbox, squarePost(caption)));
    clock.advance(60_000);
  }
  const since = Date.parse('2026-11-21T12:01:00Z') / 1000;
  const response = await instagram(
    sandbox,
    'GET',
    `${instagramAccount}/media?fields=id,caption,timestamp,permalink,media_product_type&since=${since}`,
  );
  const { data } = await json<{ data: { caption: string }[] }>(response);
  expect(data.map(({ caption }) => caption)).toEqual(['Third', 'Second']);
});

it('tells the account behind a token', async () => {
  const response = await instagram(sandbox, 'GET', 'me?fields=user_id,username');
  expect(await json(response)).toEqual({
    id: instagramAccount,
    user_id: instagramAccount,
    username: 'analytical',
  });
});
