import type { Readable } from 'node:stream';
import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import { createMastodon, mastodon } from '../../../adapters/platforms/mastodon.ts';
import type { FindQuery, Reply } from '../../../adapters/platforms/publisher.ts';
import {
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  type Sent,
  scripted,
  token,
  video,
} from './support.ts';

// Answers follow https://docs.joinmastodon.org/methods/statuses, /methods/media, /methods/accounts and /methods/oauth.

const at = Date.parse('2026-11-21T18:00:00Z');
const options: Omit<AdapterOptions, 'fetch'> = {
  ...mastodon.live,
  hosts: { api: 'https://social.example' },
  timings: { pollIntervalMs: 0 },
  now: () => new Date(at),
};
const onInstance = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createMastodon({ ...options, fetch }).user, sent };
};
const user = account({ platform: 'mastodon', kind: 'user', externalId: '14715' });
const authorization = `Bearer ${token}`;
const permalink = 'https://social.example/@us/103254962155278888';
const status = (fields: Record<string, unknown> = {}) => ({
  id: '103254962155278888',
  created_at: '2026-11-21T17:30:01.000Z',
  in_reply_to_id: null,
  url: permalink,
  content: '<p>Hello</p>',
  media_attachments: [],
  ...fields,
});
const receipt = { publicId: '103254962155278888', permalink };
const created = (headers: Record<string, string> = {}) => ({ status: 200, headers, body: status() });
const handle = (...mediaIds: string[]) => ({ ids: { mediaIds, idempotencyKey: 'key-1' }, expiresAt: null });
const hello = content('TEXT_ONLY', 'Hello');
const commitText = (...answers: Parameters<typeof scripted>) =>
  onInstance(...answers).publisher.commit(user, hello, handle(), context());

describe('commit', () => {
  it('sends a post under the key that was prepared with it, and takes its address from the answer', async () => {
    const { publisher, sent } = onInstance(created(), created());
    const chosen = { options: { visibility: 'unlisted', sensitive: true, language: 'en' } };
    const two = content('CAROUSEL', 'Two', [picture('a'), picture('b')], chosen);
    expect(await publisher.commit(user, two, handle('1', '2'), context())).toEqual(receipt);
    await publisher.commit(user, hello, handle(), context());
    expect(sent[0]).toEqual({
      method: 'POST',
      url: 'https://social.example/api/v1/statuses',
      headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'key-1' },
      body: {
        ...{ status: 'Two', media_ids: ['1', '2'], visibility: 'unlisted' },
        ...{ sensitive: true, language: 'en' },
      },
    });
    expect(sent[1]!.body).toEqual({ status: 'Hello' });
  });

  it('sends nothing without a key, nor with other media than were prepared', async () => {
    const { publisher, sent } = onInstance();
    const one = content('SINGLE_IMAGE', 'x', [picture('a')]);
    for (const call of [
      () => publisher.commit(user, hello, null, context()),
      () => publisher.commit(user, one, handle(), context()),
    ]) {
      const error = await outcomeOf(call());
      expect([error.code, error.details]).toEqual(['unavailable', { sent: false, handleIsDead: true }]);
    }
    const story = await outcomeOf(publisher.commit(user, content('STORY', ''), handle(), context()));
    expect(story.message).toBe('Mastodon posts of type STORY are not supported');
    expect(sent).toEqual([]);
  });

  it.each([
    [401, 'The access token is invalid', 'unauthorized', {}],
    [403, 'This action is outside the authorized scopes', 'unauthorized', {}],
    [404, 'Record not found', 'rejected', {}],
    [422, 'Validation failed: Text character limit of 500 exceeded', 'rejected', {}],
    [
      ...([422, 'Cannot attach files that have not finished processing. Try again!', 'unavailable'] as const),
      { sent: false, retryAfterMs: 10_000 },
    ],
    [
      ...([422, 'Media 1 not found or already attached to another post', 'unavailable'] as const),
      { sent: true, handleIsDead: true },
    ],
    [429, 'Too many requests', 'rate-limited', { retryAfterMs: 60_000 }],
    [500, 'Remote SSL certificate could not be verified', 'unavailable', { sent: true }],
    [503, 'There was a temporary problem', 'unavailable', { sent: true }],
  ] as const)('reads %i "%s" as %s', async (code, said, outcome, details) => {
    const error = await outcomeOf(commitText({ status: code, body: { error: said } }));
    expect([error.code, error.details]).toEqual([outcome, { status: code, ...details }]);
    expect(error.message).toBe(`Mastodon post creation: Mastodon answered ${code}: ${said}`);
  });

  it('waits for the reset that the instance names, and asks for a pause before it is throttled', async () => {
    const reset = { 'x-ratelimit-reset': new Date(at + 420_000).toISOString() };
    const error = await outcomeOf(commitText({ status: 429, headers: reset, body: '' }));
    expect(error.details.retryAfterMs).toBe(420_000);
    for (const [remaining, pauses] of [
      ['3', []],
      ['0', [420_000]],
    ] as const) {
      const told = context();
      const { publisher } = onInstance(created({ ...reset, 'x-ratelimit-remaining': remaining }));
      await publisher.commit(user, hello, handle(), told);
      expect(told.pauses).toEqual(pauses);
    }
  });

  it('knows no connection from no answer, and an answer without an id from a post', async () => {
    const refused = await outcomeOf(commitText(fetchFailure('ECONNREFUSED')));
    expect([refused.code, refused.details.sent]).toEqual(['unavailable', false]);
    expect((await outcomeOf(commitText(fetchFailure('ECONNRESET')))).code).toBe('outcome-unknown');
    for (const body of ['<html>', [], {}])
      expect((await outcomeOf(commitText({ status: 200, body }))).code).toBe('unexpected-response');
  });
});

it('confirms by reading the post', async () => {
  const { publisher, sent } = onInstance(created());
  expect(await publisher.confirm(user, '103254962155278888', context())).toEqual(receipt);
  expect(sent[0]).toMatchObject({
    method: 'GET',
    url: 'https://social.example/api/v1/statuses/103254962155278888',
  });
});

describe('prepare', () => {
  const attachment = (code: number, id = '22') => ({ status: code, body: { id, type: 'image', url: null } });
  const formIn = async ({ headers, body }: Sent) => {
    const bytes = Buffer.concat(await (body as Readable).toArray());
    expect(headers['content-length']).toBe(String(bytes.length));
    const type = { 'content-type': headers['content-type'] ?? '' };
    const form = await new Response(bytes, { headers: type }).formData();
    const shown = [...form.entries()].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [value.type, value.size],
    ]);
    return Object.fromEntries(shown);
  };

  it('gives each post a key of its own, a text without a call', async () => {
    const { preparer, sent } = onInstance();
    const [one, two] = [0, 1].map(() => preparer.prepare(user, hello, media, context()));
    expect((await one!).ids.idempotencyKey).not.toBe((await two!).ids.idempotencyKey);
    expect(await one).toEqual({
      ids: { mediaIds: [], idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      expiresAt: null,
    });
    expect(sent).toEqual([]);
  });

  it('uploads each piece with its description and waits until it is processed', async () => {
    const { preparer, sent } = onInstance(
      ...[attachment(202), attachment(206), attachment(200), attachment(200, '23'), attachment(200, '23')],
    );
    const two = content('CAROUSEL', 'x', [picture('a', 'A red dóor'), picture('b')]);
    const prepared = await preparer.prepare(user, two, media, context());
    expect(prepared.ids.mediaIds).toEqual(['22', '23']);
    expect(prepared.expiresAt).toBe(new Date(at + 23 * 3_600_000).toISOString());
    const base = 'https://social.example/api';
    expect(sent.map(({ method, url }) => `${method} ${url.replace(base, '')}`)).toEqual([
      ...['POST /v2/media', 'GET /v1/media/22', 'GET /v1/media/22', 'POST /v2/media', 'GET /v1/media/23'],
    ]);
    expect(await formIn(sent[0]!)).toEqual({ description: 'A red dóor', file: ['image/jpeg', 3] });
    expect(await formIn(sent[3]!)).toEqual({ file: ['image/jpeg', 3] });
  });

  it('streams a video, keeps what came of it, and asks for that after a crash', async () => {
    const film = content('VIDEO', 'x', [video('v', 2_000_000)]);
    const first = onInstance(attachment(202), attachment(200));
    const told = context();
    await first.preparer.prepare(user, film, media, told);
    expect(told.kept).toEqual([{ mediaId: '22' }]);
    expect(await formIn(first.sent[0]!)).toEqual({ file: ['video/mp4', 2_000_000] });

    const again = onInstance(attachment(206), attachment(206), attachment(200));
    const prepared = await again.preparer.prepare(user, film, media, context({ mediaId: '22' }));
    expect(prepared.ids.mediaIds).toEqual(['22']);
    expect(again.sent.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);

    const gone = { status: 404, body: { error: 'Record not found' } };
    const anew = onInstance(gone, attachment(202, '24'), attachment(200, '24'));
    const other = await anew.preparer.prepare(user, film, media, context({ mediaId: '22' }));
    expect(other.ids.mediaIds).toEqual(['24']);
  });

  it('ends with what could not be processed, and gives up on what never is', async () => {
    const one = content('SINGLE_IMAGE', 'x', [picture('a')]);
    const failed = { status: 422, body: { error: 'Error processing thumbnail for uploaded media' } };
    const error = await outcomeOf(
      onInstance(attachment(202), failed).preparer.prepare(user, one, media, context()),
    );
    expect([error.code, error.details.handleIsDead]).toEqual(['rejected', true]);
    expect(error.message).toContain('Error processing thumbnail');
    const { fetch } = scripted(attachment(202), attachment(206));
    const impatient = createMastodon({ ...options, timings: { processingTimeoutMs: 0 }, fetch }).user;
    const late = await outcomeOf(impatient.preparer.prepare(user, one, media, context()));
    expect([late.code, late.details.sent]).toEqual(['unavailable', false]);
  });
});

const inWindow = {
  sentAfter: new Date('2026-11-21T17:30:00Z'),
  sentBefore: new Date('2026-11-21T17:30:20Z'),
};
const list = (...body: unknown[]) => ({ status: 200, body });
const source = (text: string) => ({ status: 200, body: { id: '1', text, spoiler_text: '' } });
const older = status({ id: '1', created_at: '2026-11-21T10:00:00.000Z' });
const absent = { kind: 'absent', proof: 'read' };
const found = { kind: 'found', receipt };

describe('find', () => {
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    ...{ content: hello, handle: handle(), ...inWindow, ...fields },
  });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) =>
    onInstance(...answers).finder.find(user, search, context());

  it('compares the source of each post of the window', async () => {
    const { finder, sent } = onInstance(
      list(status({ id: '7' }), status()),
      source('Else'),
      source('Hello\r\n'),
    );
    expect(await finder.find(user, query(), context())).toEqual(found);
    expect(sent.map(({ url }) => url.replace('https://social.example/api/v1', ''))).toEqual([
      '/accounts/14715/statuses?limit=40&exclude_reblogs=true',
      '/statuses/7/source',
      '/statuses/103254962155278888/source',
    ]);
  });

  it('takes answers, other times and posts with media for others', async () => {
    const others = [
      status({ in_reply_to_id: '5' }),
      status({ created_at: '2026-11-21T17:00:00.000Z' }),
      status({ media_attachments: [{ id: '9' }] }),
    ];
    expect(await find(query(), list(...others), list())).toEqual(absent);
  });

  it('goes by attachments, without asking for a source', async () => {
    const search = query({ handle: handle('1', '2') });
    const ours = status({ media_attachments: [{ id: '2' }, { id: '1' }] });
    expect(await find(search, list(status({ media_attachments: [{ id: '8' }, { id: '9' }] }), ours))).toEqual(
      found,
    );
  });

  it('turns pages until one reaches back before the window, or is empty', async () => {
    const newer = status({ id: '9', created_at: '2026-11-21T17:59:00.000Z' });
    const { finder, sent } = onInstance(list(newer), list(older));
    expect(await finder.find(user, query(), context())).toEqual(absent);
    expect(sent[1]!.url).toMatch(/&max_id=9$/);
    expect(await find(query(), list(newer), list())).toEqual(absent);
    const pages = Array.from({ length: 5 }, () => list(newer));
    expect(await find(query(), ...pages)).toMatchObject({ kind: 'cannot-tell' });
  });

  it('does not take an unreadable answer for an empty one', async () => {
    for (const answers of [
      [{ status: 200, body: {} }],
      [list({ id: '1' })],
      [list(status()), { status: 200, body: {} }],
    ])
      expect((await outcomeOf(find(query(), ...answers))).code).toBe('unexpected-response');
  });
});

describe('an answer', () => {
  const reply: Reply = { text: 'More', parentId: '21', rootId: '20' };

  it('has a key of its parent and its text, the same each time', async () => {
    const { replier, sent } = onInstance(created(), created(), created());
    await replier.reply(user, reply, context());
    await replier.reply(user, reply, context());
    await replier.reply(user, { ...reply, parentId: '22' }, context());
    const [one, same, other] = sent.map(({ headers }) => headers['idempotency-key']);
    expect([one === same, one === other]).toEqual([true, false]);
    expect(sent[0]!.body).toEqual({ status: 'More', in_reply_to_id: '21' });
  });

  it('is found below what it answers alone', async () => {
    const below = (id: string) => status({ in_reply_to_id: id });
    const { replier } = onInstance(list(below('99'), below('21')), source('More'), list(below('99'), older));
    expect(await replier.findReply!(user, reply, inWindow, context())).toEqual(found);
    expect(await replier.findReply!(user, reply, inWindow, context())).toEqual(absent);
  });
});

it('takes a post down, and counts as done what is gone already', async () => {
  const gone = { status: 404, body: { error: 'Record not found' } };
  const { remover, sent } = onInstance(created(), gone, { status: 403, body: { error: 'No' } });
  await remover.remove(user, '7', context());
  await remover.remove(user, '7', context());
  expect(sent[0]).toMatchObject({ method: 'DELETE', url: 'https://social.example/api/v1/statuses/7' });
  expect((await outcomeOf(remover.remove(user, '7', context()))).code).toBe('unauthorized');
});

describe('connecting', () => {
  const app = { clientId: 'c1', clientSecret: 'app-secret' };
  const connecting = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    return { connector: mastodon.connect!({ ...options, fetch }), sent };
  };

  it('goes through the instance, with a challenge', async () => {
    const { connector, sent } = connecting(
      { status: 200, body: { access_token: 'a', token_type: 'Bearer', scope: 'read write', created_at: 1 } },
      { status: 200, body: {} },
      { status: 200, body: { id: '14715', username: 'us', display_name: 'Us' } },
    );
    const redirectUri = 'https://us.example/back';
    const input = { app, redirectUri, state: 's', codeChallenge: 'ch', scopes: ['read:accounts', 'write'] };
    expect(connector.authorizeUrl(input)).toBe(
      'https://social.example/oauth/authorize?response_type=code&client_id=c1&redirect_uri=https%3A%2F%2Fus.example%2Fback&scope=read%3Aaccounts%20write&state=s&code_challenge=ch&code_challenge_method=S256',
    );
    const tokens = await connector.exchange({ app, code: 'c', redirectUri, codeVerifier: 'v' }, context());
    expect(tokens).toEqual({
      ...{ accessToken: 'a', refreshToken: null, expiresAt: null, refreshExpiresAt: null },
      scopes: ['read', 'write'],
    });
    await connector.revoke!(app, tokens, context());
    expect(await connector.listAccounts('a', context())).toEqual([
      { kind: 'user', externalId: '14715', name: 'Us (@us)', accessToken: null, obstacle: null },
    ]);
    expect(sent.map(({ url, body }) => [url.replace('https://social.example', ''), body])).toEqual([
      [
        '/oauth/token',
        'grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fus.example%2Fback&code_verifier=v&client_id=c1&client_secret=app-secret',
      ],
      ['/oauth/revoke', 'token=a&client_id=c1&client_secret=app-secret'],
      ['/api/v1/accounts/verify_credentials', undefined],
    ]);
  });

  it('says why an account cannot be published to, and that a token cannot be refreshed', async () => {
    const body = { id: '1', username: 'us', display_name: '', moved: { id: '2' } };
    const { connector } = connecting({ status: 200, body });
    expect((await connector.listAccounts('a', context()))[0]).toMatchObject({
      ...{ name: '@us', obstacle: 'The account has moved to another one' },
    });
    const tokens = { accessToken: 'a', refreshToken: null };
    expect((await outcomeOf(connector.refresh(app, tokens, context()))).code).toBe('unauthorized');
  });

  it('does not call the person’s grant dead for a wrong secret, and shows none', async () => {
    const { connector } = connecting({ status: 401, body: { error: 'invalid_client: app-secret c0de' } });
    const input = { app, code: 'c0de', redirectUri: 'https://us.example', codeVerifier: null };
    const error = await outcomeOf(connector.exchange(input, context()));
    expect(error.code).toBe('rejected');
    expect(error.message).not.toMatch(/app-secret|c0de/);
  });
});
