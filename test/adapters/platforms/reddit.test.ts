import type { FindQuery, PreparedHandle } from '../../../adapters/platforms/publisher.ts';
import { createReddit, reddit } from '../../../adapters/platforms/reddit.ts';
import { meaningOfFailedCommit } from '../../../domain/outcome.ts';
import {
  api,
  createdAt,
  film,
  filmHandle,
  films,
  form,
  formHeaders,
  gallery,
  galleryHandle,
  handleOf,
  headers,
  image,
  imageHandle,
  imagePost,
  jsonHeaders,
  link,
  listed,
  made,
  now,
  ok,
  options,
  pageOf,
  post,
  receipt,
  redditWith,
  refused,
  storage,
  submittedUrl,
  taken,
  text,
  title,
  user,
  usualForm,
} from './reddit-answers.ts';
import { type Answer, context, fetchFailure, outcomeOf, picture, scripted, token, video } from './support.ts';

const commitText = (...answers: (Answer | Error)[]) =>
  redditWith(...answers).publisher.commit(user, text, null, context());

describe('commit', () => {
  it('sends a text post as one form and reads id and address from the answer', async () => {
    const { publisher, sent } = redditWith(made);
    expect(await publisher.commit(user, text, null, context())).toEqual(receipt);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      method: 'POST',
      url: `${api}/api/submit?raw_json=1`,
      headers: formHeaders,
    });
    expect(form(sent[0])).toEqual({ ...usualForm, kind: 'self', text: 'We *did* it' });
  });

  it('sends a link that may not be there already, with the flair and the marks that were chosen', async () => {
    const { publisher, sent } = redditWith(made);
    const chosen = { flairId: '3f2b1c', flairText: 'News', nsfw: true, spoiler: true, sendReplies: false };
    const marked = { ...link, options: { ...link.options, ...chosen } };
    await publisher.commit(user, marked, null, context());
    expect(form(sent[0])).toEqual({
      ...{ ...usualForm, kind: 'link', url: 'https://example.com/launch', resubmit: 'false' },
      ...{ flair_id: '3f2b1c', flair_text: 'News', nsfw: 'true', spoiler: 'true', sendreplies: 'false' },
    });
  });

  it('sends a picture by the address of its upload and looks for the post that Reddit makes of it', async () => {
    const { publisher, sent } = redditWith(taken, listed(post()), listed(imagePost, post()));
    expect(await publisher.commit(user, image, imageHandle, context())).toEqual({
      publicId: 't3_16xb01r',
      permalink: 'https://www.reddit.com/r/webdev/comments/16xb01r/launch_day/',
    });
    expect(form(sent[0])).toEqual({
      ...{ ...usualForm, kind: 'image', resubmit: 'false', url: `${storage}/8xjguc40cnrb1` },
    });
    const look = { method: 'GET', url: submittedUrl, headers, body: undefined };
    expect(sent.slice(1)).toEqual([look, look]);
  });

  it('takes the id of a picture at its word where Reddit names it at once', async () => {
    const { publisher, sent } = redditWith(made);
    expect(await publisher.commit(user, image, imageHandle, context())).toEqual(receipt);
    expect(sent).toHaveLength(1);
  });

  it('sends a video with its poster', async () => {
    const url = 'https://v.redd.it/5ph4906syw261';
    const { publisher, sent } = redditWith(taken, listed(post({ name: 't3_k5rsq3', is_self: false, url })));
    expect((await publisher.commit(user, film, filmHandle, context())).publicId).toBe('t3_k5rsq3');
    expect(form(sent[0])).toEqual({
      ...{ ...usualForm, kind: 'video', resubmit: 'false', text: 'Look', url: `${films}/5ph4906syw261` },
      video_poster_url: `${storage}/b7dipjasyw261`,
    });
  });

  it('sends a gallery as JSON, its pictures in order', async () => {
    const url = 'https://www.reddit.com/r/webdev/comments/huw6vs/launch_day/';
    const { publisher, sent } = redditWith(ok({ json: { errors: [], data: { url, id: 't3_huw6vs' } } }));
    expect(await publisher.commit(user, gallery, galleryHandle, context())).toEqual({
      publicId: 't3_huw6vs',
      permalink: url,
    });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: `${api}/api/submit_gallery_post.json`,
        headers: jsonHeaders,
        body: {
          ...{ api_type: 'json', sr: 'webdev', title, text: 'Two of them' },
          items: ['pb7qsvi6i3c51', '14wmudl6i3c51'].map((media_id) => ({
            media_id,
            caption: '',
            outbound_url: '',
          })),
          ...{ nsfw: false, spoiler: false, sendreplies: true },
          ...{ show_error_list: true, validate_on_submit: true },
        },
      },
    ]);
  });

  it('refuses before sending what was not prepared, has no title or subreddit, or is no type of Reddit', async () => {
    const { publisher, sent } = redditWith();
    const failed = (...[what, handle]: [typeof text, PreparedHandle | null]) =>
      outcomeOf(publisher.commit(user, what, handle, context()));
    for (const what of [image, film, gallery])
      expect((await failed(what, null)).details).toEqual({ sent: false, handleIsDead: true });
    const posterless = handleOf(['5ph4906syw261'], [`${films}/5ph4906syw261`]);
    expect((await failed(film, posterless)).message).toBe('Reddit submission: no poster was prepared');
    const messages = [
      [{ ...text, title: ' ' }, 'A post on Reddit needs a title'],
      [{ ...text, options: {} }, 'A post on Reddit needs a subreddit'],
      [{ ...film, media: [video('v')] }, 'A video on Reddit needs a cover picture'],
      [{ ...gallery, media: [picture('a')] }, 'Reddit CAROUSEL cannot carry 1 pieces of media'],
      [{ ...text, type: 'STORY' as const }, 'Reddit posts of type STORY are not supported'],
    ] as const;
    for (const [what, message] of messages) {
      const error = await failed(what, null);
      expect([error.code, error.details.sent, error.message]).toEqual(['rejected', false, message]);
    }
    expect(sent).toEqual([]);
  });

  describe('of a media post that was taken', () => {
    it.each<[string, (Answer | Error)[]]>([
      ['cannot be looked for', [{ status: 500, body: { message: 'Internal Server Error', error: 500 } }]],
      ['is looked for too often', [{ status: 429, body: { message: 'Too Many Requests', error: 429 } }]],
      ['is looked for with a token that has just expired', [{ status: 401, body: { error: 401 } }]],
      ['is looked for without a connection', [fetchFailure('ECONNREFUSED')]],
      ['is looked for in a page', [{ status: 200, body: '<html>' }]],
      ['is refused a look', [{ status: 403, body: { message: 'Forbidden', error: 403 } }]],
    ])('knows nothing where it %s, and never that nothing was sent', async (_what, answers) => {
      const { publisher } = redditWith(taken, ...answers);
      const error = await outcomeOf(publisher.commit(user, image, imageHandle, context()));
      expect([error.code, meaningOfFailedCommit(error.code, error.details)]).toEqual([
        'outcome-unknown',
        'unknown',
      ]);
      expect(error.message).toMatch(/^Reddit submission: taken, and /);
    });

    it('stops looking when the time of the commit is over', async () => {
      const { fetch } = scripted(taken, ...Array.from({ length: 500 }, () => listed()));
      const timings = { pollIntervalMs: 5, commitTimeoutMs: 60 };
      const { publisher } = createReddit({ ...options, timings, fetch }).user;
      const error = await outcomeOf(publisher.commit(user, image, imageHandle, context()));
      expect([error.code, error.message]).toEqual([
        'outcome-unknown',
        'Reddit submission: taken, and it is not listed yet',
      ]);
    });

    it('knows nothing where the caller gives up while it waits', async () => {
      const { fetch } = scripted(taken, listed());
      const timings = { pollIntervalMs: 5_000, commitTimeoutMs: 10_000 };
      const { publisher } = createReddit({ ...options, timings, fetch }).user;
      const giving = { ...context(), signal: AbortSignal.timeout(30) };
      const error = await outcomeOf(publisher.commit(user, image, imageHandle, giving));
      expect(error.code).toBe('outcome-unknown');
    });
  });

  it.each([
    ['SUBREDDIT_NOEXIST', 'rejected'],
    ['SUBREDDIT_NOTALLOWED', 'rejected'],
    ['SUBREDDIT_REQUIRED', 'rejected'],
    ['NO_SELFS', 'rejected'],
    ['NO_LINKS', 'rejected'],
    ['NO_TEXT', 'rejected'],
    ['NO_URL', 'rejected'],
    ['BAD_URL', 'rejected'],
    ['TOO_LONG', 'rejected'],
    ['SUBMIT_VALIDATION_FLAIR_REQUIRED', 'rejected'],
    ['THREAD_LOCKED', 'rejected'],
    ['BANNED_FROM_SUBREDDIT', 'rejected'],
    ['GALLERIES_DISABLED', 'rejected'],
    ['SOMETHING_NEW', 'rejected'],
    ['USER_REQUIRED', 'unauthorized'],
  ])('reads %s, which comes with status 200, as %s', async (platformCode, code) => {
    const error = await outcomeOf(commitText(refused(platformCode, 'Why')));
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ status: 200, platformCode });
    expect(error.message).toBe(`Reddit submission: Reddit answered ${platformCode}: Why`);
  });

  it.each([
    ['Take a break for 9 minutes before trying again.', {}, 600_000],
    ['you are doing that too much. try again in 1 minute.', {}, 120_000],
    ['Take a break for 42 seconds before trying again.', {}, 43_000],
    ['Please try again in an hour.', {}, 7_200_000],
    ['Take a break for 9 minutes before trying again.', { ratelimit: 569.2 }, 570_000],
    ['Slow down.', {}, 60_000],
  ])('waits as long as "%s" %j says', async (sentence, more, retryAfterMs) => {
    const error = await outcomeOf(commitText(refused('RATELIMIT', sentence, more)));
    expect(error.code).toBe('rate-limited');
    expect(error.details).toEqual({ status: 200, platformCode: 'RATELIMIT', retryAfterMs });
  });

  it('waits for nothing where there is more than the rate against a post', async () => {
    const errors = [
      ['RATELIMIT', 'Take a break for 9 minutes.', 'ratelimit'],
      ['NO_SELFS', 'No text posts.', 'sr'],
    ];
    const error = await outcomeOf(commitText(ok({ json: { errors } })));
    expect(error.code).toBe('rejected');
    expect(error.message).toContain('RATELIMIT: Take a break for 9 minutes.; NO_SELFS: No text posts.');
  });

  const validation = {
    fields: ['title'],
    explanation: 'You may not have "launch" in your title. ',
    ...{ error_type: 'SUBMIT_VALIDATION_ERROR', message: 'Bad Request' },
    reason: 'SUBMIT_VALIDATION_TITLE_BLACKLISTED_STRING',
  };
  const plain = (message: string, error: number, more: Record<string, unknown> = {}) => ({
    message,
    error,
    ...more,
  });
  const insufficient = { 'www-authenticate': 'Bearer realm="reddit", error="insufficient_scope"' };
  it.each<[string, Answer, string, Record<string, unknown>]>([
    [
      "a subreddit's rule",
      { status: 400, body: validation },
      'rejected',
      { status: 400, platformCode: 'SUBMIT_VALIDATION_TITLE_BLACKLISTED_STRING' },
    ],
    ['a dead token', { status: 401, body: plain('Unauthorized', 401) }, 'unauthorized', { status: 401 }],
    [
      'a scope that was not granted',
      { status: 403, headers: insufficient, body: plain('Forbidden', 403) },
      'unauthorized',
      { status: 403 },
    ],
    [
      'a private subreddit',
      { status: 403, body: plain('Forbidden', 403, { reason: 'private' }) },
      'rejected',
      { status: 403, platformCode: 'private' },
    ],
    [
      'a page against the user agent',
      { status: 403, body: '<html>whoa there, pardner!</html>' },
      'unavailable',
      { status: 403, sent: false, retryAfterMs: 60_000 },
    ],
    ['a closed subreddit', { status: 404, body: plain('Not Found', 404) }, 'rejected', { status: 404 }],
    ['a conflict', { status: 409, body: plain('Conflict', 409) }, 'unavailable', { status: 409, sent: true }],
    [
      'too many requests',
      { status: 429, body: plain('Too Many Requests', 429) },
      'rate-limited',
      { status: 429, retryAfterMs: 60_000 },
    ],
    [
      'too many requests until a reset',
      { status: 429, headers: { 'x-ratelimit-reset': '367' }, body: '<html>' },
      'rate-limited',
      { status: 429, retryAfterMs: 367_000 },
    ],
    [
      'too many requests until a time',
      { status: 429, headers: { 'retry-after': '90', 'x-ratelimit-reset': '367' }, body: '' },
      'rate-limited',
      { status: 429, retryAfterMs: 90_000 },
    ],
    ['trouble', { status: 503, body: '<html>' }, 'unavailable', { status: 503, sent: true }],
  ])('reads %s', async (_what, answer, code, details) => {
    const error = await outcomeOf(commitText(answer));
    expect(error.code).toBe(code);
    expect(JSON.parse(JSON.stringify(error.details))).toEqual(details);
  });

  it("gives a subreddit's reason in its own words", async () => {
    const error = await outcomeOf(commitText({ status: 400, body: validation }));
    expect(error.message).toBe(
      'Reddit submission: Reddit answered 400 SUBMIT_VALIDATION_TITLE_BLACKLISTED_STRING: You may not have "launch" in your title.',
    );
  });

  it.each([
    ['an answer without an id', ok({ json: { errors: [], data: {} } })],
    ['a page', ok('<html>')],
    ['half an answer', ok('{"json": {"errors": [], "da')],
  ])('knows nothing after %s', async (_what, answer) => {
    const error = await outcomeOf(commitText(answer));
    expect([error.code, meaningOfFailedCommit(error.code, error.details)]).toEqual([
      'unexpected-response',
      'unknown',
    ]);
  });

  it('asks for a pause before the requests of its ten minutes are used up', async () => {
    const told = context();
    const left = (remaining: string) => ({
      ...made,
      headers: { 'x-ratelimit-used': '990', 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': '367' },
    });
    const { publisher } = redditWith(left('583.0'), left('19.5'), made);
    for (let sends = 0; sends < 3; sends += 1) await publisher.commit(user, text, null, told);
    expect(told.pauses).toEqual([367_000]);
  });

  describe('of a link that has been submitted before', () => {
    const already = refused('ALREADY_SUB', 'that link has already been submitted');
    const recently = {
      created_utc: now.getTime() / 1000 - 90,
      is_self: false,
      url: 'https://example.com/launch',
    };
    const commitLink = (...answers: (Answer | Error)[]) =>
      outcomeOf(redditWith(already, ...answers).publisher.commit(user, link, null, context()));

    it("names the account's own post, which counts where an earlier attempt is in doubt", async () => {
      const error = await commitLink(listed(post({ ...recently, selftext: '' })));
      expect(error.code).toBe('rejected');
      expect(error.details).toEqual({
        ...{ status: 200, platformCode: 'ALREADY_SUB', existingPublicId: 't3_4bbe4b' },
      });
    });

    it.each([
      ["somebody else's", []],
      ['of last week', [post({ ...recently, selftext: '', created_utc: now.getTime() / 1000 - 604_800 })]],
      ['under another title', [post({ ...recently, selftext: '', title: 'Other' })]],
    ])('is refused where the post is %s', async (_what, posts) => {
      const error = await commitLink(listed(...posts));
      expect(error.details).toEqual({ status: 200, platformCode: 'ALREADY_SUB' });
    });

    it('is in doubt where nobody can see whose it is', async () => {
      const error = await commitLink({ status: 503, body: '' });
      expect([error.code, meaningOfFailedCommit(error.code, error.details)]).toEqual([
        'unavailable',
        'unknown',
      ]);
    });
  });

  it('shows neither token nor the addresses of uploads, whatever Reddit repeats', async () => {
    const { publisher } = redditWith(refused('BAD_URL', `No ${token} and no ${storage}/8xjguc40cnrb1 here`));
    const error = await outcomeOf(publisher.commit(user, image, imageHandle, context()));
    const shown = `${error.message} ${JSON.stringify(error.details)}`;
    expect(shown).not.toContain(token);
    expect(shown).not.toContain('8xjguc40cnrb1');
    expect(error.message).toContain('BAD_URL: No [redacted] and no [redacted] here');
  });
});

describe('confirm', () => {
  it('reads the address by the id', async () => {
    const { publisher, sent } = redditWith(listed(post()));
    expect(await publisher.confirm(user, 't3_4bbe4b', context())).toEqual(receipt);
    expect(sent).toEqual([
      { method: 'GET', url: `${api}/api/info?id=t3_4bbe4b&raw_json=1`, headers, body: undefined },
    ]);
  });

  it('does not take another post for it', async () => {
    const { publisher } = redditWith(listed(post({ name: 't3_other' })));
    const error = await outcomeOf(publisher.confirm(user, 't3_4bbe4b', context()));
    expect([error.code, error.message]).toEqual([
      'unexpected-response',
      'Reddit post: t3_4bbe4b is not in the answer',
    ]);
  });
});

describe('find', () => {
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    ...{ content: text, handle: null },
    ...{ sentAfter: new Date(createdAt - 5_000), sentBefore: new Date(createdAt + 5_000) },
    ...fields,
  });
  const find = async (search: FindQuery, ...answers: (Answer | Error)[]) => {
    const { finder, sent } = redditWith(...answers);
    return { result: await finder.find(user, search, context()), sent };
  };
  const resultOf = async (search: FindQuery, ...answers: (Answer | Error)[]) =>
    (await find(search, ...answers)).result;

  it('asks again for ten minutes after a commit with media, and for one minute after one without', () => {
    const { finder, publisher } = createReddit({ ...reddit.live, fetch: scripted().fetch }).user;
    expect([finder.settleMs, publisher.commitTimeoutMs]).toEqual([60_000, 60_000]);
  });

  it('finds a text post by subreddit, title, text and time, however Reddit spaces and writes them', async () => {
    const shown = post({ subreddit: 'WebDev', title: 'Launch  day', selftext: 'We *did* it\n' });
    const { result, sent } = await find(query(), listed(post({ name: 't3_z', title: 'Other' }), shown));
    expect(result).toEqual({ kind: 'found', receipt });
    expect(sent).toEqual([{ method: 'GET', url: submittedUrl, headers, body: undefined }]);
  });

  it('finds a link post by its address', async () => {
    const shown = { is_self: false, selftext: '', url: 'https://example.com/launch' };
    expect((await resultOf(query({ content: link }), listed(post(shown)))).kind).toBe('found');
    const elsewhere = { ...shown, url: 'https://example.com/other' };
    expect(await resultOf(query({ content: link }), listed(post(elsewhere)))).toEqual({
      kind: 'cannot-tell',
      reason: 't3_4bbe4b has the same title and other content',
    });
  });

  it('finds media by the uploads they show, whatever else has changed', async () => {
    const moved = { title: 'Changed', created_utc: createdAt / 1000 + 3_000 };
    const found = await resultOf(
      query({ content: image, handle: imageHandle }),
      listed({ ...imagePost, ...moved }),
    );
    expect(found).toMatchObject({ kind: 'found', receipt: { publicId: 't3_16xb01r' } });
    const clip = post({ is_self: false, url: 'https://v.redd.it/5ph4906syw261' });
    expect((await resultOf(query({ content: film, handle: filmHandle }), listed(clip))).kind).toBe('found');
    const items = [{ media_id: 'pb7qsvi6i3c51' }, { media_id: '14wmudl6i3c51' }];
    const both = post({ is_self: false, url: 'https://www.reddit.com/gallery/x', gallery_data: { items } });
    expect((await resultOf(query({ content: gallery, handle: galleryHandle }), listed(both))).kind).toBe(
      'found',
    );
  });

  it.each<[string, Record<string, unknown>]>([
    ['in another subreddit', { subreddit: 'javascript' }],
    ['with another title', { title: 'Launch day!' }],
    ['before the window', { created_utc: createdAt / 1000 - 70 }],
    ['after the window', { created_utc: createdAt / 1000 + 70 }],
  ])('does not take a post %s for ours', async (_what, fields) => {
    expect(await resultOf(query(), listed(post(fields)))).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('cannot tell where the post stands there with other content, or twice', async () => {
    expect(await resultOf(query(), listed(post({ selftext: '[removed]' })))).toEqual({
      kind: 'cannot-tell',
      reason: 't3_4bbe4b has the same title and other content',
    });
    expect(await resultOf(query(), listed(post(), post({ name: 't3_other' })))).toEqual({
      kind: 'cannot-tell',
      reason: 't3_4bbe4b and t3_other both say the same',
    });
    const search = query({ content: image, handle: imageHandle });
    expect((await resultOf(search, listed(post({ is_self: false, url: '' })))).kind).toBe('cannot-tell');
  });

  it('holds media for pending until Reddit has had ten minutes to make the post', async () => {
    const at = (minutesAgo: number) =>
      resultOf(
        query({
          ...{ content: image, handle: imageHandle },
          ...{ sentAfter: new Date(now.getTime() - minutesAgo * 60_000), sentBefore: now },
        }),
        listed(),
      );
    expect(await at(1)).toMatchObject({ kind: 'pending', retryAfterMs: 15_000 });
    expect(await at(10)).toMatchObject({ kind: 'pending', retryAfterMs: 400 });
    expect(await at(10.1)).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('reads on until the window lies behind it', async () => {
    const newer = post({ name: 't3_new', title: 'Other', created_utc: createdAt / 1000 + 500 });
    const older = post({ name: 't3_old', title: 'Other', created_utc: createdAt / 1000 - 500 });
    const { result, sent } = await find(query(), pageOf('t3_new', newer), pageOf('t3_old', post(), older));
    expect(result).toEqual({ kind: 'found', receipt });
    expect(sent.map(({ url }) => url)).toEqual([submittedUrl, `${submittedUrl}&after=t3_new`]);
    const pages = Array.from({ length: 4 }, () => pageOf('t3_new', newer));
    expect(await resultOf(query(), ...pages)).toEqual({
      kind: 'cannot-tell',
      reason: 'the window lies behind the newest 4 posts',
    });
  });

  it('concludes nothing from an answer it cannot read', async () => {
    for (const answer of [ok({ data: {} }), listed({ title }), ok('<html>')]) {
      const error = await outcomeOf(resultOf(query(), answer));
      expect(error.code).toBe('unexpected-response');
    }
  });
});

describe('reply', () => {
  const reply = { text: 'First', parentId: 't3_4b1tfm', rootId: 't3_4b1tfm' };
  const window = { sentAfter: new Date(createdAt - 5_000), sentBefore: new Date(createdAt + 5_000) };
  const permalink = '/r/webdev/comments/4b1tfm/launch_day/d162ara/';
  const comment = (fields: Record<string, unknown> = {}) => ({
    ...{ name: 't1_d162ara', parent_id: 't3_4b1tfm', body: 'First', permalink },
    created_utc: createdAt / 1000,
    ...fields,
  });
  const commented = ok({ json: { errors: [], data: { things: [{ kind: 't1', data: comment() }] } } });

  it('comments below the post', async () => {
    const { replier, sent } = redditWith(commented);
    expect(await replier.reply(user, reply, context())).toEqual({
      publicId: 't1_d162ara',
      permalink: `https://www.reddit.com${permalink}`,
    });
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: `${api}/api/comment?raw_json=1`, headers: formHeaders },
        body: 'api_type=json&thing_id=t3_4b1tfm&text=First',
      },
    ]);
  });

  it('is in doubt where Reddit takes a comment and answers none', async () => {
    const { replier } = redditWith(ok({ json: { errors: [], data: { things: [] } } }));
    const error = await outcomeOf(replier.reply(user, reply, context()));
    expect(meaningOfFailedCommit(error.code, error.details)).toBe('unknown');
  });

  it.each([
    ['THREAD_LOCKED', 'rejected'],
    ['RATELIMIT', 'rate-limited'],
  ])('reads %s as %s', async (code, expected) => {
    const { replier } = redditWith(refused(code, 'Comments are locked.'));
    expect((await outcomeOf(replier.reply(user, reply, context()))).code).toBe(expected);
  });

  it.each<[string, Record<string, unknown>[], string]>([
    ['there', [comment()], 'found'],
    ['not there', [], 'absent'],
    ['below another post', [comment({ parent_id: 't3_other' })], 'absent'],
    ['of another time', [comment({ created_utc: createdAt / 1000 - 600 })], 'absent'],
    ['changed', [comment({ body: '[removed]' })], 'cannot-tell'],
    ['there twice', [comment(), comment({ name: 't1_other' })], 'cannot-tell'],
  ])('finds a comment that is %s', async (_what, comments, kind) => {
    const { replier, sent } = redditWith(listed(...comments));
    expect((await replier.findReply!(user, reply, window, context())).kind).toBe(kind);
    expect(sent[0]!.url).toBe(`${api}/user/gatepost_dev/comments?sort=new&limit=25&raw_json=1`);
  });

  it('cannot tell where the newest comments do not reach back to the window', async () => {
    const newer = comment({ parent_id: 't3_other', created_utc: createdAt / 1000 + 600 });
    const { replier } = redditWith(listed(...Array.from({ length: 25 }, () => newer)));
    expect((await replier.findReply!(user, reply, window, context())).kind).toBe('cannot-tell');
  });
});

describe('after publication', () => {
  it('takes a post or a comment down', async () => {
    const { remover, sent } = redditWith(ok({}));
    await remover.remove(user, 't3_4bbe4b', context());
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: `${api}/api/del?raw_json=1`, headers: formHeaders },
        body: 'api_type=json&id=t3_4bbe4b',
      },
    ]);
  });

  it('changes the text of a text post, and of nothing else', async () => {
    const { amender, sent } = redditWith(ok({ json: { errors: [], data: { things: [] } } }));
    await amender.amend(user, 't3_4bbe4b', text, context());
    for (const what of [link, image, gallery, film]) {
      const error = await outcomeOf(amender.amend(user, 't3_4bbe4b', what, context()));
      expect([error.code, error.message]).toEqual([
        'rejected',
        'Reddit changes the text of text posts alone',
      ]);
    }
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: `${api}/api/editusertext?raw_json=1`, headers: formHeaders },
        body: 'api_type=json&thing_id=t3_4bbe4b&text=We+*did*+it',
      },
    ]);
  });

  it('says why a text cannot be changed', async () => {
    const { amender } = redditWith(refused('placeholder', "This post can't be edited"));
    const error = await outcomeOf(amender.amend(user, 't3_4bbe4b', text, context()));
    expect(error.message).toBe(
      "Reddit change of a text: Reddit answered placeholder: This post can't be edited",
    );
  });
});
