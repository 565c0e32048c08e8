import type { FindQuery, Reply } from '../../../adapters/platforms/publisher.ts';
import { createThreads, threads as definition } from '../../../adapters/platforms/threads.ts';
import {
  type Answer,
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

// Answers follow https://developers.facebook.com/docs/threads/reference/publishing
// and .../threads/posts, .../threads/troubleshooting, .../threads/reply-management (read 2026-11-21).

const now = () => new Date('2026-11-21T10:00:00Z');
const threads = (...answers: (Answer | Error)[]) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createThreads({ ...definition.live, fetch, now, timings: { pollIntervalMs: 0 } }).user, sent };
};
const user = account({ platform: 'threads', kind: 'user', externalId: '25025' });
const made = (id: string) => ({ status: 200, body: { id } });
const container = (status: string, error_message?: string) => ({
  status: 200,
  body: { id: 'c1', status, ...(error_message && { error_message }) },
});
const finished = container('FINISHED');
const graphError = (
  status: number,
  error: Record<string, unknown>,
  headers: Record<string, string> = {},
) => ({
  status,
  headers,
  body: { error: { message: 'Why', type: 'OAuthException', fbtrace_id: 'A1', ...error } },
});
const authorization = `Bearer ${token}`;
const formHeaders = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
const mediaUrl = (id: string) => `https://media.example/${id}.jpg?X-Amz-Signature=abc123`;
const formOf = ({ body }: Sent) => Object.fromEntries(new URLSearchParams(String(body)));
const posted = (sent: readonly Sent[]) => sent.filter(({ method }) => method === 'POST').map(formOf);
const handle = { ids: { containerId: 'c9', childContainerIds: [] }, expiresAt: '2026-11-22T09:00:00.000Z' };
const text = content('TEXT_ONLY', 'Hello @world & 5 more');

describe('prepare', () => {
  it('makes a container of a text, too, and waits until it is finished', async () => {
    const adapter = threads(made('c1'), container('IN_PROGRESS'), finished);
    const told = context();
    expect(await adapter.preparer.prepare(user, text, media, told)).toEqual({
      ids: { containerId: 'c1', childContainerIds: [] },
      expiresAt: '2026-11-22T09:00:00.000Z',
    });
    expect(adapter.sent).toEqual([
      {
        method: 'POST',
        url: 'https://graph.threads.net/v1.0/25025/threads',
        headers: formHeaders,
        body: 'media_type=TEXT&text=Hello+%40world+%26+5+more',
      },
      ...[0, 1].map(() => ({
        method: 'GET',
        url: 'https://graph.threads.net/v1.0/c1?fields=status,error_message',
        headers: { authorization },
        body: undefined,
      })),
    ]);
    expect(told.told).toEqual(['Creating a Threads container', 'Threads is processing container c1']);
  });

  it('never publishes in the first call', async () => {
    const adapter = threads(made('c1'), finished);
    await adapter.preparer.prepare(user, text, media, context());
    expect(posted(adapter.sent)[0]).not.toHaveProperty('auto_publish_text');
  });

  it.each([
    ['a picture', content('SINGLE_IMAGE', 'x', [picture('a', 'A door')]), 'IMAGE', 'image_url', 'a', 3_600],
    ['a video', content('VIDEO', 'x', [video('v')]), 'VIDEO', 'video_url', 'v', 14_400],
  ] as const)('has %s fetched', async (_what, post, media_type, field, id, seconds) => {
    const adapter = threads(made('c1'), finished);
    media.asked.length = 0;
    await adapter.preparer.prepare(user, post, media, context());
    const altText = id === 'a' ? { alt_text: 'A door' } : {};
    expect(posted(adapter.sent)).toEqual([{ media_type, [field]: mediaUrl(id), ...altText, text: 'x' }]);
    expect(media.asked).toEqual([[id, seconds]]);
  });

  it('sends no text where there is none', async () => {
    const adapter = threads(made('c1'), finished);
    await adapter.preparer.prepare(user, content('VIDEO', '', [video('v')]), media, context());
    expect(posted(adapter.sent)).toEqual([{ media_type: 'VIDEO', video_url: mediaUrl('v') }]);
  });

  it('makes the children of a carousel first, in order, and the parent when all are finished', async () => {
    const adapter = threads(made('k1'), made('k2'), finished, finished, made('p1'), finished);
    const two = content('CAROUSEL', 'Two', [picture('a', 'A door'), video('v')]);
    const prepared = await adapter.preparer.prepare(user, two, media, context());
    expect(prepared.ids).toEqual({ containerId: 'p1', childContainerIds: ['k1', 'k2'] });
    expect(posted(adapter.sent)).toEqual([
      { media_type: 'IMAGE', image_url: mediaUrl('a'), alt_text: 'A door', is_carousel_item: 'true' },
      { media_type: 'VIDEO', video_url: mediaUrl('v'), is_carousel_item: 'true' },
      { media_type: 'CAROUSEL', children: 'k1,k2', text: 'Two' },
    ]);
    expect(adapter.sent.map(({ url }) => url.split('/').at(-1)?.split('?')[0])).toEqual([
      ...['threads', 'threads', 'k1', 'k2', 'threads', 'p1'],
    ]);
  });

  it('passes the options on', async () => {
    const options = {
      replyControl: 'mentioned_only',
      topicTag: 'Doors',
      quotePostId: '18001',
      linkAttachment: 'https://doors.example/?a=1&b=2',
    };
    const adapter = threads(made('c1'), finished);
    await adapter.preparer.prepare(user, content('TEXT_ONLY', 'x', [], { options }), media, context());
    expect(posted(adapter.sent)).toEqual([
      {
        ...{ media_type: 'TEXT', text: 'x', reply_control: 'mentioned_only', topic_tag: 'Doors' },
        ...{ quote_post_id: '18001', link_attachment: 'https://doors.example/?a=1&b=2' },
      },
    ]);
  });

  // https://developers.facebook.com/docs/threads/troubleshooting (read 2026-11-21)
  it.each([
    ['ERROR', 'FAILED_DOWNLOADING_VIDEO', 'unavailable', 'FAILED_DOWNLOADING_VIDEO'],
    ['ERROR', 'UNKNOWN', 'unavailable', 'UNKNOWN'],
    ['ERROR', 'FAILED_PROCESSING_AUDIO', 'rejected', 'FAILED_PROCESSING_AUDIO'],
    ['ERROR', 'FAILED_PROCESSING_VIDEO', 'rejected', 'FAILED_PROCESSING_VIDEO'],
    ['ERROR', 'INVALID_ASPEC_RATIO', 'rejected', 'INVALID_ASPEC_RATIO'],
    ['ERROR', 'INVALID_BIT_RATE', 'rejected', 'INVALID_BIT_RATE'],
    ['ERROR', 'INVALID_DURATION', 'rejected', 'INVALID_DURATION'],
    ['ERROR', 'INVALID_FRAME_RATE', 'rejected', 'INVALID_FRAME_RATE'],
    ['ERROR', 'INVALID_AUDIO_CHANNELS', 'rejected', 'INVALID_AUDIO_CHANNELS'],
    ['ERROR', 'INVALID_AUDIO_CHANNEL_LAYOUT', 'rejected', 'INVALID_AUDIO_CHANNEL_LAYOUT'],
    ['ERROR', undefined, 'unavailable', 'ERROR'],
    ['EXPIRED', undefined, 'unavailable', 'EXPIRED'],
  ])('reads a container in %s (%s) as %s', async (status, failure, code, platformCode) => {
    const adapter = threads(made('c1'), container(status, failure));
    const error = await outcomeOf(adapter.preparer.prepare(user, text, media, context()));
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ platformCode, handleIsDead: true, sent: false });
    const shown = failure ? ` (${failure})` : '';
    expect(error.message).toBe(`Threads container c1 is ${status}${shown}`);
  });

  it('calls a container that is public before anything was published, or an unknown status, unexpected', async () => {
    for (const status of ['PUBLISHED', 'DANCING']) {
      const adapter = threads(made('c1'), container(status));
      const error = await outcomeOf(adapter.preparer.prepare(user, text, media, context()));
      expect(error.code).toBe('unexpected-response');
    }
  });

  it('refuses what Threads has no containers for, before sending', async () => {
    const adapter = threads();
    const messageOf = async (post: ReturnType<typeof content>) =>
      (await outcomeOf(adapter.preparer.prepare(user, post, media, context()))).message;
    expect(await messageOf(content('STORY', '', [picture('a')]))).toBe(
      'Threads posts of type STORY are not supported',
    );
    expect(await messageOf(content('CAROUSEL', 'x', [picture('a')]))).toBe(
      'Threads CAROUSEL cannot carry 1 pieces of media',
    );
    expect(adapter.sent).toEqual([]);
  });

  it('never shows the signed address of media, even when Threads repeats it', async () => {
    const refused = graphError(400, { code: 100, message: `Cannot fetch ${mediaUrl('a')} as ${token}` });
    const post = content('SINGLE_IMAGE', 'x', [picture('a')]);
    const error = await outcomeOf(threads(refused).preparer.prepare(user, post, media, context()));
    expect(error.message).toBe(
      'Threads container creation: Threads answered 100: Cannot fetch [redacted] as [redacted]',
    );
  });
});

describe('commit', () => {
  const commit = (...answers: (Answer | Error)[]) => {
    const adapter = threads(...answers);
    return { result: adapter.publisher.commit(user, text, handle, context()), sent: adapter.sent };
  };

  it('publishes the container once and returns the id of the post', async () => {
    const { result, sent } = commit(made('m5'));
    expect(await result).toEqual({ publicId: 'm5', permalink: null });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://graph.threads.net/v1.0/25025/threads_publish',
        headers: formHeaders,
        body: 'creation_id=c9',
      },
    ]);
  });

  it('sends nothing without a container', async () => {
    const adapter = threads();
    const error = await outcomeOf(adapter.publisher.commit(user, text, null, context()));
    expect([error.code, error.details]).toEqual(['unavailable', { sent: false, handleIsDead: true }]);
    expect(adapter.sent).toEqual([]);
  });

  it.each([
    [400, { code: 190, error_subcode: 463 }, 'unauthorized', {}],
    [403, { code: 10 }, 'unauthorized', {}],
    [400, { code: 4 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 17 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 32 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 613 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 24, error_subcode: 4279009 }, 'unavailable', { sent: true, retryAfterMs: 10_000 }],
    [400, { code: 10, error_subcode: 4279013 }, 'rejected', {}],
    [400, { code: 4, error_subcode: 2207051 }, 'rejected', {}],
    [500, { code: 1 }, 'unavailable', { sent: true }],
    [503, { code: 2 }, 'unavailable', { sent: true }],
    [400, { code: 77, is_transient: true }, 'unavailable', { sent: true }],
    [400, { code: 100 }, 'rejected', {}],
  ])('reads %i %j as %s', async (status, error, code, details) => {
    const outcome = await outcomeOf(commit(graphError(status, error)).result);
    const subcode = 'error_subcode' in error ? `/${error.error_subcode}` : '';
    expect(outcome.code).toBe(code);
    expect(outcome.details).toEqual({ status, platformCode: `${error.code}${subcode}`, ...details });
    expect(outcome.message).toBe(`Threads publish: Threads answered ${error.code}${subcode}: Why`);
  });

  it('knows no connection from no answer, and tries neither again', async () => {
    const refused = commit(fetchFailure('ECONNREFUSED'));
    expect((await outcomeOf(refused.result)).details.sent).toBe(false);
    const reset = commit(fetchFailure('ECONNRESET'));
    expect((await outcomeOf(reset.result)).code).toBe('outcome-unknown');
    const empty = commit({ status: 200, body: {} });
    expect((await outcomeOf(empty.result)).code).toBe('unexpected-response');
    expect([refused.sent.length, reset.sent.length, empty.sent.length]).toEqual([1, 1, 1]);
  });

  it('asks for a pause when the limit of calls comes near', async () => {
    const headers = { 'x-app-usage': '{"call_count":85}' };
    const told = context();
    const adapter = threads({ ...made('m5'), headers });
    await adapter.publisher.commit(user, text, handle, told);
    expect(told.pauses).toEqual([60_000]);
  });
});

describe('confirm', () => {
  it('reads the permalink from the API', async () => {
    const permalink = 'https://www.threads.net/@doors/post/abc';
    const adapter = threads({ status: 200, body: { id: 'm5', permalink } }, made('m5'));
    expect(await adapter.publisher.confirm(user, 'm5', context())).toEqual({ publicId: 'm5', permalink });
    expect(adapter.sent[0]!.url).toBe('https://graph.threads.net/v1.0/m5?fields=id,permalink,timestamp');
    const bare = await outcomeOf(adapter.publisher.confirm(user, 'm5', context()));
    expect(bare.message).toBe('Threads post: no permalink in the answer');
  });
});

const window = {
  sentAfter: new Date('2026-11-21T09:59:50Z'),
  sentBefore: new Date('2026-11-21T10:00:10Z'),
};
const listed = (...data: unknown[]) => ({ status: 200, body: { data } });
const permalink = 'https://www.threads.net/@doors/post/abc';

describe('find', () => {
  const query: FindQuery = { ...window, content: text, handle };
  const published = { id: 'm5', text: text.text, timestamp: '2026-11-21T10:00:02+0000', permalink };

  it.each([
    ['FINISHED', { kind: 'absent', proof: 'single-use-handle' }],
    ['EXPIRED', { kind: 'absent', proof: 'single-use-handle', handleIsDead: true }],
    ['ERROR', { kind: 'absent', proof: 'single-use-handle', handleIsDead: true }],
    ['IN_PROGRESS', { kind: 'cannot-tell', reason: 'container c9 is in progress' }],
  ])('reads a container that is %s', async (status, expected) => {
    const adapter = threads(container(status));
    expect(await adapter.finder.find(user, query, context())).toEqual(expected);
    expect(adapter.sent).toHaveLength(1);
  });

  it('finds the post of a published container by text and time', async () => {
    const older = { ...published, id: 'm1', timestamp: '2026-11-20T10:00:02+0000' };
    const silent = { id: 'm2', timestamp: published.timestamp };
    const adapter = threads(container('PUBLISHED'), listed(silent, published, older));
    const receipt = { publicId: 'm5', permalink };
    expect(await adapter.finder.find(user, query, context())).toEqual({ kind: 'found', receipt });
    const since = Date.parse('2026-11-21T09:58:50Z') / 1000;
    expect(adapter.sent[1]!.url).toBe(
      `https://graph.threads.net/v1.0/25025/threads?fields=id,text,timestamp,permalink,media_type&since=${since}&limit=50`,
    );
  });

  it('cannot tell the id while the list does not show it, nor between two that fit', async () => {
    const find = (...data: unknown[]) =>
      threads(container('PUBLISHED'), listed(...data)).finder.find(user, query, context());
    expect(await find()).toEqual({ kind: 'cannot-tell', reason: 'published, id not listed yet' });
    expect(await find(published, { ...published, id: 'm6' })).toMatchObject({ kind: 'cannot-tell' });
  });

  it('does not take an unreadable answer for absence, and cannot tell without a container', async () => {
    for (const answers of [[container('DANCING')], [container('PUBLISHED'), { status: 200, body: {} }]]) {
      const error = await outcomeOf(threads(...answers).finder.find(user, query, context()));
      expect(error.code).toBe('unexpected-response');
    }
    const nothing = await threads().finder.find(user, { ...query, handle: null }, context());
    expect(nothing).toEqual({ kind: 'cannot-tell', reason: 'no container is known' });
  });
});

// https://developers.facebook.com/docs/threads/reply-management (read 2026-11-21)
describe('replies', () => {
  const part: Reply = { text: '2/3', parentId: 'm6', rootId: 'm5' };
  const reply = (...answers: (Answer | Error)[]) => {
    const adapter = threads(...answers);
    return { result: adapter.replier.reply(user, part, context()), sent: adapter.sent };
  };

  it('are containers that answer the part before, published when they are finished', async () => {
    const { result, sent } = reply(made('c1'), container('IN_PROGRESS'), finished, made('m7'));
    expect(await result).toEqual({ publicId: 'm7', permalink: null });
    expect(sent.map(({ method, url }) => `${method} ${url.split('v1.0/')[1]}`)).toEqual([
      'POST 25025/threads',
      'GET c1?fields=status,error_message',
      'GET c1?fields=status,error_message',
      'POST 25025/threads_publish',
    ]);
    expect(posted(sent)).toEqual([
      { media_type: 'TEXT', text: '2/3', reply_to_id: 'm6' },
      { creation_id: 'c1' },
    ]);
  });

  it.each([
    ['the answer to its container is lost', [fetchFailure('ECONNRESET')], 'unavailable', false],
    ['its container cannot be read', [made('c1'), { status: 200, body: 'x' }], 'unavailable', false],
    ['making it fails', [graphError(500, { code: 2 })], 'unavailable', false],
    ['its container fails', [made('c1'), container('ERROR', 'UNKNOWN')], 'unavailable', false],
    ['the parent is gone', [graphError(400, { code: 100, error_subcode: 33 })], 'rejected', false],
    ['publishing it fails', [made('c1'), finished, graphError(500, { code: 2 })], 'unavailable', true],
    [
      'publishing is not answered',
      [made('c1'), finished, fetchFailure('ECONNRESET')],
      'outcome-unknown',
      undefined,
    ],
  ] as [string, (Answer | Error)[], string, boolean | undefined][])(
    'know whether they may be public when %s',
    async (_what, answers, code, sent) => {
      const error = await outcomeOf(reply(...answers).result);
      expect([error.code, error.details.sent]).toEqual([code, sent]);
    },
  );

  it('are looked for below the part before, among our own', async () => {
    const ours = {
      ...{ id: 'm7', text: '2/3', timestamp: '2026-11-21T10:00:02+0000', permalink },
      is_reply_owned_by_me: true,
    };
    const theirs = { ...ours, id: 'm8', is_reply_owned_by_me: false };
    const adapter = threads(listed(theirs, ours), listed(theirs), listed({ ...ours, text: 'Else' }));
    const find = () => adapter.replier.findReply!(user, part, window, context());
    expect(await find()).toEqual({ kind: 'found', receipt: { publicId: 'm7', permalink } });
    expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
    expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
    expect(adapter.sent[0]!.url).toBe(
      'https://graph.threads.net/v1.0/m6/replies?fields=id,text,timestamp,permalink,is_reply_owned_by_me&reverse=true&limit=50',
    );
  });
});

// https://developers.facebook.com/docs/threads/posts/delete-posts (read 2026-11-21)
describe('removal', () => {
  it('deletes a post, and is content with one that is gone', async () => {
    const gone = graphError(400, { code: 100, error_subcode: 33 });
    const adapter = threads({ status: 200, body: { success: true, deleted_id: 'm5' } }, gone);
    await adapter.remover.remove(user, 'm5', context());
    await adapter.remover.remove(user, 'm5', context());
    expect(adapter.sent).toEqual(
      [0, 1].map(() => ({
        method: 'DELETE',
        url: 'https://graph.threads.net/v1.0/m5',
        headers: { authorization },
        body: undefined,
      })),
    );
  });

  it('does not take another refusal for gone', async () => {
    const adapter = threads(graphError(403, { code: 10 }), graphError(400, { code: 100 }));
    const remove = () => adapter.remover.remove(user, 'm5', context());
    expect((await outcomeOf(remove())).code).toBe('unauthorized');
    expect((await outcomeOf(remove())).code).toBe('rejected');
  });
});

it('reads the limit of posts live', async () => {
  const limit = { quota_usage: 4, config: { quota_total: 250, quota_duration: 86_400 } };
  const adapter = threads(listed(limit));
  expect(await adapter.quotaReader.readQuota(user, context())).toEqual({
    ...{ used: 4, total: 250, windowSeconds: 86_400 },
  });
  expect(adapter.sent[0]!.url).toBe(
    'https://graph.threads.net/v1.0/25025/threads_publishing_limit?fields=quota_usage,config',
  );
});

// https://developers.facebook.com/docs/threads/get-started/long-lived-tokens (read 2026-11-21)
describe('connecting', () => {
  const app = { clientId: '991', clientSecret: 'app-very-secret' };
  const redirectUri = 'https://gatepost.example/oauth/callback/2';
  const input = { app, code: 'c0de#_', redirectUri, codeVerifier: null };
  const old = { accessToken: 'long-1', refreshToken: null };
  const connector = (...answers: (Answer | Error)[]) => {
    const { fetch, sent } = scripted(...answers);
    return { ...definition.connect!({ ...definition.live, fetch, now }), sent };
  };
  const brief = { status: 200, body: { access_token: 'short-1', user_id: 25025 } };
  const long = (access_token: string) => ({
    status: 200,
    body: { access_token, token_type: 'bearer', expires_in: 5_183_944 },
  });
  const expiresAt = new Date(now().getTime() + 5_183_944_000);

  it('sends the browser to Threads with state and scopes', () => {
    const { authorizeUrl, defaultScopes, requiredScopes, pkce, renewal, revoke } = connector();
    const url = authorizeUrl({ app, redirectUri, state: 's&1', scopes: ['a', 'b'], codeChallenge: null });
    expect(url).toBe(
      'https://www.threads.net/oauth/authorize?client_id=991&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F2&scope=a%2Cb&response_type=code&state=s%261',
    );
    expect([pkce, renewal, revoke]).toEqual(['none', 'access-token', undefined]);
    for (const scope of requiredScopes) expect(defaultScopes).toContain(scope);
  });

  it('makes a token of 60 days of a code', async () => {
    const { exchange, sent } = connector(brief, long('long-1'));
    expect(await exchange(input, context())).toEqual({
      ...{ accessToken: 'long-1', refreshToken: null, expiresAt, refreshExpiresAt: null, scopes: null },
    });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://graph.threads.net/oauth/access_token',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'client_id=991&client_secret=app-very-secret&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F2&code=c0de',
      },
      {
        method: 'GET',
        url: 'https://graph.threads.net/access_token?grant_type=th_exchange_token&client_secret=app-very-secret&access_token=short-1',
        headers: {},
        body: undefined,
      },
    ]);
  });

  it('renews it while it lives, and knows a dead one', async () => {
    const { refresh, sent } = connector(
      long('long-2'),
      graphError(400, { code: 190 }),
      fetchFailure('ECONNRESET'),
    );
    expect(await refresh(app, old, context())).toMatchObject({ accessToken: 'long-2', expiresAt });
    expect(sent[0]!.url).toBe(
      'https://graph.threads.net/refresh_access_token?grant_type=th_refresh_token&access_token=long-1',
    );
    expect((await outcomeOf(refresh(app, old, context()))).code).toBe('unauthorized');
    expect((await outcomeOf(refresh(app, old, context()))).code).toBe('outcome-unknown');
  });

  it('shows neither secret, code nor token', async () => {
    const message = 'Bad app-very-secret c0de short-1 long-1';
    const refused = graphError(400, { code: 100, message });
    const { exchange, refresh } = connector(refused, brief, refused, refused);
    expect((await outcomeOf(exchange(input, context()))).message).not.toMatch(/very-secret|c0de/);
    expect((await outcomeOf(exchange(input, context()))).message).not.toMatch(/very-secret|short-1/);
    expect((await outcomeOf(refresh(app, old, context()))).message).not.toMatch(/long-1/);
    const empty = await outcomeOf(connector({ status: 200, body: {} }).exchange(input, context()));
    expect(empty.message).toBe('Threads exchange of a code: no access token in the answer');
  });

  it('has one account', async () => {
    const { listAccounts, sent } = connector({ status: 200, body: { id: '25025', username: 'doors' } });
    expect(await listAccounts('long-1', context())).toEqual([
      { kind: 'user', externalId: '25025', name: 'doors', accessToken: null, obstacle: null },
    ]);
    expect(sent[0]).toMatchObject({
      url: 'https://graph.threads.net/v1.0/me?fields=id,username',
      headers: { authorization: 'Bearer long-1' },
    });
  });
});
