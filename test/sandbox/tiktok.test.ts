import {
  createClock,
  jpeg,
  json,
  type PictureHost,
  png,
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
    platform: 'tiktok',
    kind: 'creator',
    externalId: 'open-1',
    name: 'Ada Codes',
    token: 'tt-token',
  });
  pictures = await startPictureHost({
    '/square.jpg': await jpeg(),
    '/large.jpg': await jpeg(1_921, 1_081),
    '/picture.png': await png(),
  });
});
afterEach(async () => {
  await sandbox.stop();
  await pictures.stop();
});

const postInfo = { privacy_level: 'PUBLIC_TO_EVERYONE', brand_content_toggle: false };
const call = (path: string, body: unknown = {}, token = 'tt-token') =>
  sandbox.get(`/tiktok/v2${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json; charset=UTF-8' },
    body: JSON.stringify(body),
  });
interface Envelope {
  data: Record<string, unknown>;
  error: { code: string; message: string };
}
const outcome = async (response: Response | Promise<Response>) => {
  const answer = await response;
  return [answer.status, (await json<Envelope & Record<string, unknown>>(answer)).error.code];
};
const initVideo = (source: Record<string, unknown>, info: Record<string, unknown> = {}) =>
  call('/post/publish/video/init/', {
    post_info: { ...postInfo, ...info },
    source_info: { source: 'FILE_UPLOAD', ...source },
  });
const initPhotos = (photos: string[], info: Record<string, unknown> = {}) =>
  call('/post/publish/content/init/', {
    media_type: 'PHOTO',
    post_mode: 'DIRECT_POST',
    post_info: { ...postInfo, ...info },
    source_info: {
      source: 'PULL_FROM_URL',
      photo_cover_index: 0,
      photo_images: photos.map((path) => `${pictures.url}${path}`),
    },
  });
/** The text of an answer about a task: ids of posts are numbers that would not survive being parsed. */
const status = async (publishId: unknown) =>
  (await call('/post/publish/status/fetch/', { publish_id: publishId })).text();
async function decided(publishId: unknown): Promise<string> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const text = await status(publishId);
    if (!text.includes('PROCESSING')) return text;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Task ${publishId} stays under way`);
}

const fileOf = (size: number) => {
  const bytes = Buffer.alloc(size, 7);
  bytes.write('\0\0\0\x18ftypisom', 'latin1');
  return bytes;
};
async function begin(size: number, info: Record<string, unknown> = {}) {
  const chunk = size < 10_000_000 ? size : 5_000_000;
  const source = { video_size: size, chunk_size: chunk, total_chunk_count: Math.floor(size / chunk) };
  const { data } = await json<Envelope>(await initVideo(source, info));
  return { publishId: data.publish_id, url: String(data.upload_url), bytes: fileOf(size) };
}
const put = (url: string, bytes: Buffer, first: number, end: number, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'PUT',
    headers: {
      'content-type': 'video/mp4',
      'content-range': `bytes ${first}-${end - 1}/${bytes.length}`,
      ...headers,
    },
    body: new Uint8Array(bytes.subarray(first, end)),
  });

describe('a video', () => {
  it('is public with its last chunk, and has its id as a number of 64 bits', async () => {
    const { publishId, url, bytes } = await begin(11_000_000);
    expect((await put(url, bytes, 0, 5_000_000)).status).toBe(206);
    expect(await status(publishId)).toContain('"status":"PROCESSING_UPLOAD","uploaded_bytes":5000000');
    expect(await sandbox.ledger()).toEqual([]);
    expect((await put(url, bytes, 5_000_000, 11_000_000)).status).toBe(201);
    const [entry] = await sandbox.ledger();
    expect(entry).toMatchObject({ postType: 'VIDEO', handle: publishId, altTexts: [null] });
    expect(await status(publishId)).toContain(`"publicaly_available_post_id":[${entry!.publicId}]`);
    expect(entry!.permalink).toBe(`${sandbox.url}/@ada_codes/video/${entry!.publicId}`);
  });

  it('takes every chunk once and in its place', async () => {
    const { url, bytes } = await begin(11_000_000);
    const early = await put(url, bytes, 5_000_000, 11_000_000);
    expect([early.status, early.headers.get('content-range')]).toEqual([416, 'bytes 0-0/11000000']);
    expect((await put(url, bytes, 0, 4_000_000)).status).toBe(416);
    expect((await put(url, bytes, 0, 5_000_000)).status).toBe(206);
    const again = await put(url, bytes, 0, 5_000_000);
    expect([again.status, again.headers.get('content-range')]).toEqual([416, 'bytes 0-5000000/11000000']);
    const last = [1, 2, 3].map(() => put(url, bytes, 5_000_000, 11_000_000));
    const statuses = (await Promise.all(last)).map((answer) => answer.status);
    expect(statuses.sort()).toEqual([201, 416, 416]);
    expect(await sandbox.ledger()).toHaveLength(1);
  });

  it('is refused at an address that is wrong, over, or spoken to wrongly', async () => {
    const { url, bytes } = await begin(1_000);
    expect((await put(url, bytes, 0, 1_000, { 'content-range': 'bytes=0-999' })).status).toBe(400);
    expect((await put(url, bytes, 0, 1_000, { 'content-type': 'image/png' })).status).toBe(400);
    expect((await put(`${url}x`, bytes, 0, 1_000)).status).toBe(404);
    clock.advance(3_600_000);
    expect((await put(url, bytes, 0, 1_000)).status).toBe(403);
    expect(await sandbox.ledger()).toEqual([]);
  });

  it.each([
    [{ video_size: 11_000_000, chunk_size: 4_000_000, total_chunk_count: 2 }],
    [{ video_size: 11_000_000, chunk_size: 5_000_000, total_chunk_count: 3 }],
    [{ video_size: 80_000_000, chunk_size: 80_000_000, total_chunk_count: 1 }],
    [{ video_size: 1_000, chunk_size: 5_000_000, total_chunk_count: 1 }],
    [{ video_size: 0, chunk_size: 0, total_chunk_count: 0 }],
  ])('cannot be cut as %j', async (source) => {
    expect(await outcome(initVideo(source))).toEqual([400, 'invalid_param']);
  });

  it('fails where it is no video, where a fault says so, and is slow where one says so', async () => {
    const text = await begin(1_000);
    await put(text.url, Buffer.alloc(1_000), 0, 1_000);
    expect(await status(text.publishId)).toContain('"fail_reason":"file_format_check_failed"');
    const operation = 'tiktok.upload.put';
    await sandbox.fault({ operation, kind: 'failed-processing', code: 'spam_risk' });
    const spam = await begin(1_000);
    await put(spam.url, spam.bytes, 0, 1_000);
    expect(await status(spam.publishId)).toContain('"fail_reason":"spam_risk"');
    expect(await sandbox.ledger()).toEqual([]);
    await sandbox.fault({ operation, kind: 'slow-upload-processing', ms: 5_000 });
    const slow = await begin(1_000);
    await put(slow.url, slow.bytes, 0, 1_000);
    expect(await status(slow.publishId)).toContain('"status":"PROCESSING_UPLOAD","uploaded_bytes":1000');
    clock.advance(5_000);
    expect(await status(slow.publishId)).toContain('PUBLISH_COMPLETE');
  });

  it('has no id while it is in moderation, and never one when it is private', async () => {
    await sandbox.settings({ listDelayMs: 60_000 });
    const seen = await begin(1_000);
    await put(seen.url, seen.bytes, 0, 1_000);
    const hidden = await begin(1_000, { privacy_level: 'SELF_ONLY' });
    await put(hidden.url, hidden.bytes, 0, 1_000);
    const nameless = '"status":"PUBLISH_COMPLETE","publicaly_available_post_id":[]';
    expect(await status(seen.publishId)).toContain(nameless);
    clock.advance(60_000);
    expect(await status(seen.publishId)).not.toContain(nameless);
    expect(await status(hidden.publishId)).toContain(nameless);
    const listed = await json<Envelope>(await call('/video/list/?fields=id,share_url', { max_count: 20 }));
    expect(listed.data.videos).toHaveLength(1);
  });
});

describe('photos', () => {
  it('are fetched after the answer, and public then', async () => {
    const { data } = await json<Envelope>(await initPhotos(['/square.jpg', '/square.jpg'], { title: 'Two' }));
    expect(await decided(data.publish_id)).toContain('PUBLISH_COMPLETE');
    expect(await sandbox.ledger()).toEqual([
      expect.objectContaining({ postType: 'CAROUSEL', title: 'Two', handle: data.publish_id }),
    ]);
  });

  it.each([
    ['/none.jpg', 'photo_pull_failed'],
    ['/moved', 'photo_pull_failed'],
    ['/picture.png', 'file_format_check_failed'],
    ['/large.jpg', 'picture_size_check_failed'],
  ])('like %s end with %s', async (path, reason) => {
    const { data } = await json<Envelope>(await initPhotos(['/square.jpg', path]));
    expect(await decided(data.publish_id)).toContain(`"fail_reason":"${reason}"`);
    expect(await sandbox.ledger()).toEqual([]);
  });

  it('are refused with more than 35, without a privacy, or with too long a title', async () => {
    const many = Array.from({ length: 36 }, () => '/square.jpg');
    expect(await outcome(initPhotos(many))).toEqual([400, 'invalid_param']);
    expect(await outcome(initPhotos(['/square.jpg'], { title: 'x'.repeat(91) }))).toEqual([
      400,
      'invalid_param',
    ]);
    expect(await outcome(initPhotos(['/square.jpg'], { privacy_level: 'ALL' }))).toEqual([
      403,
      'privacy_level_option_mismatch',
    ]);
  });
});

it('answers a cap with 200 to who asks and with 403 to who posts', async () => {
  await sandbox.settings({ publishesPerDay: 0 });
  expect(await outcome(call('/post/publish/creator_info/query/'))).toEqual([200, 'spam_risk_too_many_posts']);
  expect(await outcome(initPhotos(['/square.jpg']))).toEqual([403, 'spam_risk_too_many_posts']);
});

it('knows neither the tasks of others nor tokens of nobody', async () => {
  const { publishId } = await begin(1_000);
  const other = { platform: 'tiktok', kind: 'creator', externalId: 'open-2', name: 'Bo', token: 'bo-token' };
  await register(sandbox, { ...other, scopes: ['video.publish'] });
  const path = '/post/publish/status/fetch/';
  expect(await outcome(call(path, { publish_id: publishId }, 'bo-token'))).toEqual([
    400,
    'token_not_authorized_for_specified_publish_id',
  ]);
  expect(await outcome(call(path, { publish_id: 'v_pub_file~none' }))).toEqual([400, 'invalid_publish_id']);
  expect(await outcome(call(path, {}, 'no-token'))).toEqual([401, 'access_token_invalid']);
  expect(await outcome(call('/video/list/?fields=id', {}, 'bo-token'))).toEqual([
    401,
    'scope_not_authorized',
  ]);
});
