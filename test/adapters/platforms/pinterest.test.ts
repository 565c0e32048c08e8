import { Readable } from 'node:stream';
import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import type { Fetch } from '../../../adapters/platforms/http.ts';
import { createPinterest, pinterest as definition } from '../../../adapters/platforms/pinterest.ts';
import { connectPinterest } from '../../../adapters/platforms/pinterest-login.ts';
import type { FindQuery, PublicContent } from '../../../adapters/platforms/publisher.ts';
import { meaningOfFailedCommit, OutcomeError } from '../../../domain/outcome.ts';
import {
  type Answer,
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  scripted,
  token,
  video,
} from './support.ts';

// Answers follow https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0 (read 2026-11-21).

const now = () => new Date('2026-11-21T10:00:00Z');
const options: Omit<AdapterOptions, 'fetch'> = {
  ...definition.live,
  now,
  timings: { pollIntervalMs: 0 },
};
const pinterest = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createPinterest({ ...options, fetch }).user, sent };
};
const user = account({ platform: 'pinterest', kind: 'user', externalId: '2783' });
const authorization = `Bearer ${token}`;
const get = (path: string) => ({
  ...{
    method: 'GET',
    url: `https://api.pinterest.com/v5${path}`,
    headers: { authorization },
    body: undefined,
  },
});
const post = (path: string, body: unknown) => ({
  method: 'POST',
  url: `https://api.pinterest.com/v5${path}`,
  body,
  headers: { authorization, 'content-type': 'application/json' },
});
const pinned: Answer = { status: 201, body: { id: '813744226420795884', board_id: '549' } };
const error = (status: number, code: number, message = 'Why'): Answer => ({
  status,
  body: { code, message },
});
const address = (id: string) => `https://media.example/${id}.jpg?X-Amz-Signature=abc123`;
const onBoard = { boardId: '549' };
const one = content('SINGLE_IMAGE', 'Three steps to #coffee', [picture('a', 'A cup')], {
  title: 'Coffee',
  options: { ...onBoard, link: 'https://shop.example/?utm_content=a1' },
});
const film = (extra: Partial<PublicContent['options']> = {}, cover = false) =>
  content('VIDEO', 'Watch', [video('v', 12, cover ? picture('c') : undefined)], {
    options: { ...onBoard, ...extra },
  });
const handle = { ids: { mediaId: '12345' }, expiresAt: null };

describe('commit', () => {
  const commit = (what: PublicContent, ...answers: Parameters<typeof scripted>) => {
    const adapter = pinterest(...answers);
    return { adapter, result: adapter.publisher.commit(user, what, handle, context()) };
  };

  it('pins a picture by its address and knows where it is', async () => {
    const { adapter, result } = commit(one, pinned);
    expect(await result).toEqual({
      publicId: '813744226420795884',
      permalink: 'https://www.pinterest.com/pin/813744226420795884/',
    });
    expect(adapter.sent).toEqual([
      post('/pins', {
        board_id: '549',
        title: 'Coffee',
        description: 'Three steps to #coffee',
        link: 'https://shop.example/?utm_content=a1',
        alt_text: 'A cup',
        media_source: { source_type: 'image_url', url: address('a') },
      }),
    ]);
  });

  it('pins a carousel in its order, into a section, without texts it does not have', async () => {
    const two = content('CAROUSEL', '', [picture('a'), picture('b')], {
      options: { ...onBoard, boardSectionId: '7' },
    });
    const { adapter, result } = commit(two, { ...pinned, status: 200 });
    await result;
    expect(adapter.sent[0]!.body).toEqual({
      board_id: '549',
      board_section_id: '7',
      media_source: {
        source_type: 'multiple_image_urls',
        items: [{ url: address('a') }, { url: address('b') }],
      },
    });
  });

  it.each([
    ['the first frame', film(), { cover_image_key_frame_time: 0 }],
    ['a frame by its second', film({ coverTimestampSeconds: 4 }), { cover_image_key_frame_time: 4 }],
    ['a picture', film({ coverTimestampSeconds: 4 }, true), { cover_image_url: address('c') }],
  ])('pins a video with %s as its cover', async (_what, what, cover) => {
    const { adapter, result } = commit(what, pinned);
    await result;
    expect(adapter.sent[0]!.body).toMatchObject({
      media_source: { source_type: 'video_id', media_id: '12345', ...cover },
    });
  });

  it.each([
    [400, 1, 'rejected', 'refused'],
    [401, 2, 'unauthorized', 'not-sent'],
    [403, 29, 'rejected', 'refused'],
    [404, 40, 'rejected', 'refused'],
    [429, 8, 'rate-limited', 'not-sent'],
    [500, 12, 'unavailable', 'unknown'],
    [503, 12, 'unavailable', 'unknown'],
  ])('reads %i with code %i as %s: %s', async (status, platformCode, code, meaning) => {
    const failure = await outcomeOf(commit(one, error(status, platformCode)).result);
    expect(failure.code).toBe(code);
    expect(failure.details).toMatchObject({ status, platformCode: String(platformCode) });
    expect(failure.message).toContain('Pinterest pin creation: Pinterest answered');
    expect(meaningOfFailedCommit(failure.code, failure.details)).toBe(meaning);
  });

  it.each(['Unable to reach the URL.', 'Sorry we could not fetch the image.'])(
    'tries again when Pinterest says "%s"',
    async (message) => {
      const failure = await outcomeOf(commit(one, error(400, 235, message)).result);
      expect(failure.details).toMatchObject({ sent: false, retryAfterMs: 10_000 });
    },
  );

  it.each([
    ['a minute where nothing is said', {}, 60_000],
    ['as long as the header says', { 'x-ratelimit-reset': '90' }, 90_000],
    ['a minute at least', { 'x-ratelimit-reset': '2' }, 60_000],
    ['a minute where the header is an instant', { 'x-ratelimit-reset': '1795255200' }, 60_000],
    ['as Retry-After says', { 'retry-after': '120' }, 120_000],
  ])('waits %s when it is throttled', async (_what, headers, retryAfterMs) => {
    const failure = await outcomeOf(commit(one, { ...error(429, 8), headers }).result);
    expect([failure.code, failure.details.retryAfterMs]).toEqual(['rate-limited', retryAfterMs]);
  });

  it('does not wait for an account that is blocked as spam', async () => {
    const failure = await outcomeOf(commit(one, error(429, 9, 'Blocked for spam')).result);
    expect(failure.code).toBe('rejected');
  });

  it('asks for a pause before the limit is reached', async () => {
    const told = context();
    const headers = { 'x-ratelimit-remaining': '97, 0', 'x-ratelimit-reset': '1, 42' };
    await pinterest({ ...pinned, headers }).publisher.commit(user, one, handle, told);
    expect(told.pauses).toEqual([42_000]);
    const plenty = context();
    const left = { 'x-ratelimit-remaining': '97', 'x-ratelimit-reset': '1' };
    await pinterest({ ...pinned, headers: left }).publisher.commit(user, one, handle, plenty);
    expect(plenty.pauses).toEqual([]);
  });

  it.each([
    ['a reset', fetchFailure('ECONNRESET'), 'unknown'],
    ['no connection', fetchFailure('ECONNREFUSED'), 'not-sent'],
    ['a page', { status: 502, body: '<html>' }, 'unknown'],
    ['half an answer', { status: 201, body: '{"id":"81' }, 'unknown'],
    ['no id', { status: 201, body: {} }, 'unknown'],
  ])('reads %s as it must', async (_what, answer, meaning) => {
    const { adapter, result } = commit(one, answer);
    const failure = await outcomeOf(result);
    expect(meaningOfFailedCommit(failure.code, failure.details)).toBe(meaning);
    expect(adapter.sent).toHaveLength(1);
  });

  it('lets a video be uploaded again after it was refused', async () => {
    const failure = await outcomeOf(commit(film(), error(404, 40, 'Media not found.')).result);
    expect([failure.code, failure.details.handleIsDead]).toEqual(['rejected', true]);
  });

  it('sends nothing that it could not pin', async () => {
    const adapter = pinterest();
    const refusals = [
      [content('TEXT_ONLY', 'x'), 'Pinterest posts of type TEXT_ONLY are not supported'],
      [content('CAROUSEL', 'x', [picture('a')]), 'Pinterest CAROUSEL cannot carry 1 pieces of media'],
      [content('SINGLE_IMAGE', 'x', [picture('a')]), 'A pin needs the option boardId'],
    ] as const;
    for (const [what, message] of refusals) {
      const failure = await outcomeOf(adapter.publisher.commit(user, what, null, context()));
      expect([failure.code, failure.message]).toEqual(['rejected', message]);
    }
    const unprepared = await outcomeOf(adapter.publisher.commit(user, film(), null, context()));
    expect(unprepared.details).toEqual({ sent: false, handleIsDead: true });
    const away = { ...media, url: async () => Promise.reject(new Error('storage is away')) };
    const failure = await outcomeOf(adapter.publisher.commit(user, one, null, { ...context(), media: away }));
    expect([failure.message, failure.details.sent]).toEqual([
      'Medium a has no address: storage is away',
      false,
    ]);
    expect(adapter.sent).toEqual([]);
  });

  it('never shows the address of a picture nor the token', async () => {
    const said = `Cannot take ${address('a')} from ${token}`;
    const { message } = await outcomeOf(commit(one, error(400, 1, said)).result);
    expect(message).toBe(
      'Pinterest pin creation: Pinterest answered 400/1: Cannot take [redacted] from [redacted]',
    );
  });
});

describe('confirm and remove', () => {
  it('builds the address without asking', async () => {
    const { publisher, sent } = pinterest();
    expect(await publisher.confirm(user, '81', context())).toEqual({
      publicId: '81',
      permalink: 'https://www.pinterest.com/pin/81/',
    });
    expect(sent).toEqual([]);
  });

  it('takes a pin down, and one that is gone counts as taken down', async () => {
    const { remover, sent } = pinterest({ status: 204 }, error(404, 50), error(403, 29));
    await remover.remove(user, '81', context());
    await remover.remove(user, '81', context());
    expect((await outcomeOf(remover.remove(user, '81', context()))).code).toBe('rejected');
    expect(sent[0]).toEqual({ ...get('/pins/81'), method: 'DELETE' });
  });
});

describe('prepare', () => {
  const uploadUrl = 'https://pinterest-media-upload.s3-accelerate.amazonaws.com/';
  const parameters = {
    'x-amz-signature': 'fcd6309f08a4',
    key: 'uploads/11/aa/12345:video',
    policy: 'eyJleHBpcmF0aW9uIjoiMj',
    'Content-Type': 'multipart/form-data',
  };
  const registered: Answer = {
    status: 201,
    body: { media_id: '12345', media_type: 'video', upload_url: uploadUrl, upload_parameters: parameters },
  };
  const status = (name: string): Answer => ({
    status: 200,
    body: { media_id: '12345', media_type: 'video', status: name },
  });
  /** A server that reads a form to its end, as the storage host does, before it answers. */
  const reading = (...answers: (Answer | Error)[]) => {
    const { fetch, sent } = scripted(...answers);
    const forms: string[] = [];
    const whole: Fetch = async (url, init) => {
      if (init.body instanceof Readable) {
        const chunks: Buffer[] = [];
        for await (const chunk of init.body) chunks.push(chunk as Buffer);
        forms.push(Buffer.concat(chunks).toString('latin1'));
      }
      return fetch(url, init);
    };
    return { ...createPinterest({ ...options, fetch: whole }).user, sent, forms };
  };

  it('has nothing to do for pictures', async () => {
    const { preparer, sent } = pinterest();
    expect(await preparer.prepare(user, one, media, context())).toEqual({ ids: {}, expiresAt: null });
    expect(sent).toEqual([]);
  });

  it('registers a video, sends it as one form without the token, and waits until it can be pinned', async () => {
    const adapter = reading(registered, { status: 204 }, status('processing'), status('succeeded'));
    const told = context();
    const prepared = await adapter.preparer.prepare(user, film(), media, told);
    expect(prepared).toEqual({ ids: { mediaId: '12345' }, expiresAt: '2026-11-21T22:00:00.000Z' });
    const [first, upload, ...looks] = adapter.sent;
    expect(first).toEqual(post('/media', { media_type: 'video' }));
    expect(looks).toEqual([get('/media/12345'), get('/media/12345')]);
    const boundary = /boundary=(\S+)$/.exec(upload!.headers['content-type'] ?? '')?.[1];
    const part = (name: string, value: string) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const form = [
      ...Object.entries(parameters).map(([name, value]) => part(name, value)),
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="video.mp4"\r\n`,
      `Content-Type: video/mp4\r\n\r\n${'\x07'.repeat(12)}\r\n--${boundary}--\r\n`,
    ].join('');
    expect(adapter.forms).toEqual([form]);
    expect(upload).toMatchObject({ method: 'POST', url: uploadUrl });
    expect(upload!.headers).toEqual({
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(form.length),
    });
    expect(told.kept).toEqual([{ mediaId: '12345' }]);
    expect(told.told).toEqual([
      'Uploading video v to Pinterest: 0 %',
      'Pinterest is processing video v (processing)',
    ]);
  });

  it.each(['processing', 'succeeded'])('does not send again what had arrived: %s', async (name) => {
    const { preparer, sent } = pinterest(status(name), status('succeeded'));
    const prepared = await preparer.prepare(user, film(), media, context({ mediaId: '12345' }));
    expect(prepared.ids).toEqual({ mediaId: '12345' });
    expect(sent).toEqual([get('/media/12345'), get('/media/12345')]);
  });

  it.each([
    ['that never came', status('registered')],
    ['that failed', status('failed')],
    ['that Pinterest does not know', error(404, 40)],
  ])('begins anew after an upload %s', async (_what, answer) => {
    const adapter = reading(answer, registered, { status: 204 }, status('succeeded'));
    const prepared = await adapter.preparer.prepare(user, film(), media, context({ mediaId: '99' }));
    expect(prepared.ids).toEqual({ mediaId: '12345' });
    expect(adapter.forms).toHaveLength(1);
  });

  it('ends with a video Pinterest cannot process, and with one that takes too long', async () => {
    const failed = reading(registered, { status: 204 }, status('failed'));
    const error = await outcomeOf(failed.preparer.prepare(user, film(), media, context()));
    expect([error.code, error.message]).toEqual(['rejected', 'Pinterest could not process video v']);
    const { fetch } = scripted(status('processing'), status('processing'));
    const timings = { pollIntervalMs: 0, processingTimeoutMs: 0 };
    const impatient = createPinterest({ ...options, fetch, timings }).user;
    const late = await outcomeOf(
      impatient.preparer.prepare(user, film(), media, context({ mediaId: '12345' })),
    );
    expect([late.code, late.details.sent]).toEqual(['unavailable', false]);
  });

  it('calls a form whose time has run out something that passes, and shows nothing of what opens it', async () => {
    const body = `<Error>${parameters.policy} for ${token}</Error>`;
    const adapter = reading(registered, { status: 403, body });
    const error = await outcomeOf(adapter.preparer.prepare(user, film(), media, context()));
    expect([error.code, error.details.sent]).toEqual(['unavailable', false]);
    expect(error.message).toContain('<Error>[redacted] for [redacted]</Error>');
  });

  it('says why a video could not be read, which the call that sends it cannot', async () => {
    const changed = new OutcomeError('rejected', 'Medium v no longer holds the bytes that were approved');
    const broken = {
      ...media,
      async *stream() {
        yield new Uint8Array(6);
        throw changed;
      },
    };
    const adapter = reading(registered, { status: 204 });
    expect(await outcomeOf(adapter.preparer.prepare(user, film(), broken, context()))).toBe(changed);
  });

  it('sends no video to a storage host that is not known', async () => {
    const elsewhere = {
      ...registered,
      body: { ...(registered.body as object), upload_url: 'https://evil.example/' },
    };
    const adapter = reading(elsewhere);
    const error = await outcomeOf(adapter.preparer.prepare(user, film(), media, context()));
    expect(error.message).toContain('https://evil.example is not a host of this adapter');
    expect(adapter.sent).toHaveLength(1);
  });
});

describe('find', () => {
  const at = '2026-11-21T09:59:30';
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    ...{
      content: one,
      handle: null,
      sentAfter: new Date(`${at}Z`),
      sentBefore: new Date('2026-11-21T09:59:40Z'),
    },
    ...fields,
  });
  const pin = (fields: Record<string, unknown> = {}) => ({
    id: '81',
    created_at: at,
    title: 'Coffee',
    description: 'Three steps to #coffee',
    link: 'https://shop.example/?utm_content=a1',
    media: { media_type: 'image' },
    ...fields,
  });
  const page = (items: unknown[], bookmark: string | null = null): Answer => ({
    status: 200,
    body: { items, bookmark },
  });
  const older = pin({ id: '80', created_at: '2026-11-21T08:00:00Z' });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) => {
    const adapter = pinterest(...answers);
    return { adapter, result: adapter.finder.find(user, search, context()) };
  };
  const found = {
    kind: 'found',
    receipt: { publicId: '81', permalink: 'https://www.pinterest.com/pin/81/' },
  };

  it("looks at the board's pins, and knows ours by its words and time", async () => {
    const { adapter, result } = find(
      query(),
      page([pin({ description: 'Three  steps to #coffee\n' }), older]),
    );
    expect(await result).toEqual(found);
    expect(adapter.sent).toEqual([get('/boards/549/pins?page_size=100')]);
  });

  it("looks at a section's pins where it went to one", async () => {
    const inSection = { ...one, options: { ...one.options, boardSectionId: '7' } };
    const { adapter, result } = find(query({ content: inSection }), page([pin()]));
    expect(await result).toEqual(found);
    expect(adapter.sent).toEqual([get('/boards/549/sections/7/pins?page_size=100')]);
  });

  it.each([
    ['nothing', []],
    ['older pins', [older]],
    ['other words', [pin({ title: 'Tea', description: 'Steep', link: null })]],
    ['nothing but its link', [pin({ title: 'Tea', description: 'Steep' })]],
    ['a video of the same words', [pin({ media: { media_type: 'video' } })]],
  ])('sees that it is absent where the board holds %s', async (_what, pins) => {
    expect(await find(query(), page(pins)).result).toEqual({ kind: 'absent', proof: 'read' });
  });

  it.each([
    ['the same twice', [pin(), pin({ id: '82' })], '2 pins fit its words and time'],
    ['another description', [pin({ description: 'Cut' })], 'pin 81 says a part of it'],
    ['another title', [pin({ title: null })], 'pin 81 says a part of it'],
  ])('cannot tell where the board holds %s', async (_what, pins, reason) => {
    expect(await find(query(), page(pins)).result).toEqual({ kind: 'cannot-tell', reason });
  });

  it('cannot tell pins without words apart, and sees that there is none', async () => {
    const wordless = content('SINGLE_IMAGE', '', [picture('a')], { options: onBoard });
    const silent = pin({ title: null, description: null, link: null });
    const search = query({ content: wordless });
    expect(await find(search, page([silent])).result).toMatchObject({ kind: 'cannot-tell' });
    expect(await find(search, page([pin()])).result).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('turns pages until one reaches back before the window', async () => {
    const newer = pin({ title: 'Tea', description: 'Steep', link: null, created_at: '2026-11-21T10:00:00' });
    const { adapter, result } = find(query(), page([newer], 'b=1'), page([newer, older], 'b2'));
    expect(await result).toEqual({ kind: 'absent', proof: 'read' });
    expect(adapter.sent[1]).toEqual(get('/boards/549/pins?page_size=100&bookmark=b%3D1'));
  });

  it('does not take the age of a pin for the end of a board that is in another order', async () => {
    const newer = pin({ title: 'Tea', description: 'Steep', link: null });
    const mixed = [older, newer, older];
    const { result } = find(query(), page(mixed, 'b1'), page([pin()]));
    expect(await result).toEqual(found);
    const endless = Array.from({ length: 5 }, (_, index) => page(mixed, `b${index}`));
    expect(await find(query(), ...endless).result).toEqual({
      kind: 'cannot-tell',
      reason: 'not among the first 15 pins of the board',
    });
  });

  it('does not take an unreadable list for an empty one', async () => {
    for (const answer of [page([{ id: '81' }]), { status: 200, body: {} }])
      expect((await outcomeOf(find(query(), answer).result)).code).toBe('unexpected-response');
  });
});

describe('connecting', () => {
  const app = { clientId: '1234', clientSecret: 'app-secret' };
  const connector = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    return { ...connectPinterest({ ...options, fetch }), sent };
  };
  const granted = {
    access_token: 'pina_new',
    refresh_token: 'pinr_new',
    token_type: 'bearer',
    response_type: 'authorization_code',
    expires_in: 2_592_000,
    refresh_token_expires_in: 5_184_000,
    scope: 'boards:read boards:write pins:read pins:write user_accounts:read',
  };
  const tokens = {
    accessToken: 'pina_new',
    refreshToken: 'pinr_new',
    expiresAt: new Date('2026-12-21T10:00:00Z'),
    refreshExpiresAt: new Date('2027-01-20T10:00:00Z'),
    scopes: ['boards:read', 'boards:write', 'pins:read', 'pins:write', 'user_accounts:read'],
  };
  const form = (body: string) => ({
    method: 'POST',
    url: 'https://api.pinterest.com/v5/oauth/token',
    headers: {
      authorization: `Basic ${Buffer.from('1234:app-secret').toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body,
  });

  it('sends the browser to Pinterest with its scopes, and without a challenge', () => {
    const { authorizeUrl, pkce } = connector();
    expect(pkce).toBe('none');
    const input = { app, redirectUri: 'https://x.example/cb', state: 's', codeChallenge: null };
    expect(authorizeUrl({ ...input, scopes: ['pins:read', 'pins:write'] })).toBe(
      'https://www.pinterest.com/oauth/?client_id=1234&redirect_uri=https%3A%2F%2Fx.example%2Fcb' +
        '&response_type=code&scope=pins%3Aread%2Cpins%3Awrite&state=s',
    );
  });

  it('exchanges a code for tokens that are renewed, and refreshes them', async () => {
    const answers = [granted, granted].map((body) => ({ status: 200, body }));
    const { exchange, refresh, sent } = connector(...answers);
    const input = { app, code: 'c1', redirectUri: 'https://x.example/cb', codeVerifier: null };
    expect(await exchange(input, context())).toEqual(tokens);
    const pair = { accessToken: 'pina_old', refreshToken: 'pinr_old' };
    expect(await refresh(app, pair, context())).toEqual(tokens);
    expect(sent).toEqual([
      form(
        'grant_type=authorization_code&code=c1&redirect_uri=https%3A%2F%2Fx.example%2Fcb&continuous_refresh=true',
      ),
      form('grant_type=refresh_token&refresh_token=pinr_old'),
    ]);
  });

  it('keeps to itself that a token cannot be given back', () => {
    expect(connector()).not.toHaveProperty('revoke');
  });

  it.each([
    [{ id: '2783', username: 'ada', board_count: 3 }, null],
    [{ id: '2783', username: 'ada', board_count: 0 }, 'ada has no board that a pin could go to'],
  ])('lists the one account: %j', async (body, obstacle) => {
    const { listAccounts, sent } = connector({ status: 200, body });
    expect(await listAccounts(token, context())).toEqual([
      { kind: 'user', externalId: '2783', name: 'ada', accessToken: null, obstacle },
    ]);
    expect(sent).toEqual([get('/user_account')]);
  });

  it.each([
    [401, { code: 2, message: 'Authentication failed.' }, 'unauthorized'],
    [400, { code: 1, message: 'Invalid' }, 'unauthorized'],
    [403, { code: 29 }, 'rejected'],
    [429, {}, 'rate-limited'],
    [500, {}, 'unavailable'],
    [200, {}, 'unexpected-response'],
    [200, 'half', 'unexpected-response'],
  ])('reads %i %j to a refresh as %s', async (status, body, code) => {
    const { refresh } = connector({ status, body });
    const pair = { accessToken: 'pina_old', refreshToken: 'pinr_old' };
    expect((await outcomeOf(refresh(app, pair, context()))).code).toBe(code);
  });

  it('does not call a lost answer a dead grant, and asks nothing without a refresh token', async () => {
    const { refresh, sent } = connector(fetchFailure('ECONNRESET'));
    const pair = { accessToken: 'pina_old', refreshToken: 'pinr_old' };
    expect((await outcomeOf(refresh(app, pair, context()))).code).toBe('outcome-unknown');
    expect((await outcomeOf(refresh(app, { ...pair, refreshToken: null }, context()))).code).toBe(
      'unauthorized',
    );
    expect(sent).toHaveLength(1);
  });

  it('never shows secrets', async () => {
    const { refresh } = connector({ status: 401, body: { message: 'pinr_old of app-secret' } });
    const pair = { accessToken: 'pina_old', refreshToken: 'pinr_old' };
    const { message } = await outcomeOf(refresh(app, pair, context()));
    expect(message).toContain('[redacted] of [redacted]');
  });
});

describe('the boards of an account', () => {
  const listBoards = (
    page: { after: string | null; limit: number },
    ...answers: Parameters<typeof scripted>
  ) => {
    const adapter = pinterest(...answers);
    return { adapter, result: adapter.choiceListers!.boardId!.listChoices(user, page, context()) };
  };

  it('are asked for a page at a time', async () => {
    const items = [{ id: '1', name: 'Ideas', privacy: 'SECRET' }, { id: '2' }];
    const { adapter, result } = listBoards(
      { after: null, limit: 2 },
      { status: 200, body: { items, bookmark: 'ab=' } },
    );
    expect(await result).toEqual({
      choices: [
        { value: '1', label: 'Ideas' },
        { value: '2', label: '2' },
      ],
      next: 'ab=',
    });
    expect(adapter.sent[0]).toMatchObject({
      method: 'GET',
      url: 'https://api.pinterest.com/v5/boards?page_size=2',
    });
    const next = listBoards(
      { after: 'ab=', limit: 2 },
      {
        status: 200,
        body: { items: [], bookmark: null },
      },
    );
    expect(await next.result).toEqual({ choices: [], next: null });
    expect(next.adapter.sent[0]!.url).toBe('https://api.pinterest.com/v5/boards?page_size=2&bookmark=ab%3D');
  });

  it.each([
    [{ status: 401, body: { code: 2, message: 'Authentication failed.' } }, 'unauthorized'],
    [{ status: 429, body: { code: 8, message: 'Slow down' } }, 'rate-limited'],
    [{ status: 200, body: { items: 'none' } }, 'unexpected-response'],
    [{ status: 200, body: { items: [{ name: 'No id' }] } }, 'unexpected-response'],
  ])('that cannot be had: %j is %s', async (answer, code) => {
    expect((await outcomeOf(listBoards({ after: null, limit: 2 }, answer).result)).code).toBe(code);
  });
});
