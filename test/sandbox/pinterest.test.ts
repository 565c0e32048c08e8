import {
  createClock,
  jpeg,
  json,
  type PictureHost,
  register,
  startPictureHost,
  startTestSandbox,
  type TestSandbox,
} from './helpers.ts';

let sandbox: TestSandbox;
let clock: ReturnType<typeof createClock>;
let pictures: PictureHost;

beforeEach(async () => {
  clock = createClock();
  sandbox = await startTestSandbox({ now: clock.now });
  await register(sandbox, {
    platform: 'pinterest',
    kind: 'user',
    externalId: '2783',
    name: 'Ada',
    token: 'pin-token',
  });
  pictures = await startPictureHost({ '/square.jpg': await jpeg(), '/wide.jpg': await jpeg(800, 400) });
});
afterEach(async () => {
  await sandbox.stop();
  await pictures.stop();
});

const call = (method: string, path: string, body?: unknown, token = 'pin-token') =>
  sandbox.get(`/pinterest/v5${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
const image = (path = '/square.jpg') => ({ source_type: 'image_url', url: `${pictures.url}${path}` });
const pin = (fields: Record<string, unknown> = {}) =>
  call('POST', '/pins', { board_id: '7', media_source: image(), ...fields });
const outcome = async (response: Promise<Response>) => {
  const answer = await response;
  return [answer.status, (await json(answer)).message];
};
const items = (...paths: string[]) => ({
  ...{ source_type: 'multiple_image_urls', items: paths.map((path) => ({ url: `${pictures.url}${path}` })) },
});

describe('a pin', () => {
  it('is on its board at once, newest first and in pages, until it is removed', async () => {
    const ids: unknown[] = [];
    for (const title of ['One', 'Two', 'Three']) ids.push((await json(await pin({ title }))).id);
    await pin({ board_id: '8' });
    const first = await json(await call('GET', '/boards/7/pins?page_size=2'));
    expect(first.items).toMatchObject([{ id: ids[2], title: 'Three' }, { id: ids[1] }]);
    const rest = await json(await call('GET', `/boards/7/pins?page_size=2&bookmark=${first.bookmark}`));
    expect(rest).toMatchObject({ items: [{ id: ids[0] }], bookmark: null });
    expect((await call('DELETE', `/pins/${ids[0]}`)).status).toBe(204);
    expect(await outcome(call('DELETE', `/pins/${ids[0]}`))).toEqual([404, 'Pin not found.']);
    expect(await outcome(call('GET', `/pins/${ids[0]}`))).toEqual([404, 'Pin not found.']);
    const [removed] = await sandbox.ledger();
    expect(removed).toMatchObject({ publicId: ids[0], removedAt: clock.now().toISOString() });
  });

  it('comes into the list as late as the platform says, and into its section', async () => {
    await sandbox.settings({ listDelayMs: 60_000 });
    await pin({ board_section_id: '5' });
    const list = async (path: string) => (await json(await call('GET', path))).items;
    expect(await list('/boards/7/pins')).toEqual([]);
    clock.advance(60_000);
    expect(await list('/boards/7/pins')).toHaveLength(1);
    expect(await list('/boards/7/sections/5/pins')).toHaveLength(1);
    expect(await list('/boards/7/sections/6/pins')).toEqual([]);
  });

  it.each([
    ['a board that is no number', { board_id: 'coffee' }, 400],
    ['a board nobody has', { board_id: '404' }, 404],
    ['a title of 101 characters', { title: 'x'.repeat(101) }, 400],
    ['a description of 801 characters', { description: 'x'.repeat(801) }, 400],
    ['an alternative text of 501 characters', { alt_text: 'x'.repeat(501) }, 400],
    ['nothing to show', { media_source: {} }, 400],
    ['a video nobody uploaded', { media_source: { source_type: 'video_id', media_id: '1' } }, 404],
  ])('with %s is refused', async (_what, fields, status) => {
    expect((await pin(fields)).status).toBe(status);
    expect(await sandbox.ledger()).toEqual([]);
  });

  it('needs pictures that can be fetched, and for a carousel two to five of one size', async () => {
    const unreachable = 'Unable to reach the URL. Please check it and try again.';
    expect(await outcome(pin({ media_source: image('/none.jpg') }))).toEqual([400, unreachable]);
    expect((await pin({ media_source: items('/square.jpg', '/wide.jpg') })).status).toBe(400);
    expect((await pin({ media_source: items('/square.jpg') })).status).toBe(400);
    expect((await pin({ media_source: items(...Array(6).fill('/square.jpg')) })).status).toBe(400);
    expect((await pin({ media_source: items('/square.jpg', '/square.jpg') })).status).toBe(201);
  });
});

describe('a video', () => {
  interface Registered {
    media_id: string;
    upload_url: string;
    upload_parameters: Record<string, string>;
  }
  const registerVideo = async () =>
    json<Registered & Record<string, unknown>>(await call('POST', '/media', { media_type: 'video' }));
  const upload = (
    to: Registered,
    changes: Record<string, string> = {},
    headers: Record<string, string> = {},
  ) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...to.upload_parameters, ...changes }))
      form.append(name, value);
    const file = Buffer.alloc(1_000, 7);
    file.write('\0\0\0\x18ftypisom', 'latin1');
    form.append('file', new Blob([new Uint8Array(file)]), 'video.mp4');
    return fetch(to.upload_url, { method: 'POST', body: form, headers });
  };
  const status = async ({ media_id }: Registered) =>
    (await json(await call('GET', `/media/${media_id}`))).status;
  const source = (to: Registered, fields: Record<string, unknown> = { cover_image_key_frame_time: 0 }) => ({
    media_source: { source_type: 'video_id', media_id: to.media_id, ...fields },
  });

  it('is pinned once it has been processed, with a cover', async () => {
    const video = await registerVideo();
    expect(await status(video)).toBe('registered');
    await sandbox.fault({ operation: 'pinterest.media.upload', kind: 'slow-upload-processing', ms: 5_000 });
    expect((await upload(video)).status).toBe(204);
    expect(await status(video)).toBe('processing');
    expect((await pin(source(video))).status).toBe(400);
    clock.advance(5_000);
    expect(await status(video)).toBe('succeeded');
    expect((await pin(source(video, {}))).status).toBe(400);
    expect((await pin(source(video, { cover_image_url: `${pictures.url}/square.jpg` }))).status).toBe(201);
    expect(await sandbox.ledger()).toEqual([expect.objectContaining({ postType: 'VIDEO' })]);
  });

  it('is stored only with all of its parameters, in time, and without the token', async () => {
    const video = await registerVideo();
    expect((await upload(video, { policy: 'mine' })).status).toBe(403);
    expect((await upload(video, {}, { authorization: 'Bearer pin-token' })).status).toBe(403);
    clock.advance(3_600_000);
    expect((await upload(video)).status).toBe(403);
    expect(await status(video)).toBe('registered');
  });

  it('fails where a fault says so', async () => {
    const video = await registerVideo();
    await sandbox.fault({ operation: 'pinterest.media.upload', kind: 'failed-processing' });
    await upload(video);
    expect(await status(video)).toBe('failed');
    expect((await pin(source(video))).status).toBe(400);
  });
});

it('answers nobody, and a token that lacks a scope', async () => {
  expect(await outcome(call('GET', '/user_account', undefined, 'none'))).toEqual([
    401,
    'Authentication failed.',
  ]);
  const other = { platform: 'pinterest', kind: 'user', externalId: '99', name: 'Bo', token: 'bo' };
  await register(sandbox, { ...other, scopes: ['pins:read'] });
  expect((await call('POST', '/pins', {}, 'bo')).status).toBe(403);
});
