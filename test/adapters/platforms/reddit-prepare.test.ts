import {
  agent,
  api,
  film,
  films,
  form,
  formHeaders,
  gallery,
  headers,
  image,
  link,
  now,
  ok,
  redditWith,
  storage,
  text,
  user,
} from './reddit-answers.ts';
import { type Answer, context, fetchFailure, media, outcomeOf, picture, token, video } from './support.ts';

describe('prepare', () => {
  const about = (fields: Record<string, unknown> = {}) =>
    ok({
      kind: 't5',
      data: { display_name: 'webdev', subreddit_type: 'public', submission_type: 'any', ...fields },
    });
  const required = (fields: Record<string, unknown> = {}) =>
    ok({
      ...{
        domain_blacklist: ['fakewebsite.com'],
        domain_whitelist: [],
        link_restriction_policy: 'blacklist',
      },
      ...{ body_restriction_policy: 'none', is_flair_required: false, title_regexes: [], body_regexes: [] },
      ...{ title_text_min_length: null, title_text_max_length: null, title_blacklisted_strings: [] },
      ...fields,
    });
  const fields = [
    ['acl', 'private'],
    ['key', '8xjguc40cnrb1'],
    ['policy', 'eyJjb25kaXRpb25zIjogW3siYnVja2V0'],
    ['x-amz-signature', '0c2fc51946b39365a0c2fc51946b39365a'],
    ['Content-Type', 'image/jpeg'],
  ].map(([name, value]) => ({ name, value }));
  const leased = (id: string, host = storage) =>
    ok({
      args: {
        action: host.replace('https:', ''),
        fields: fields.map((field) => (field.name === 'key' ? { ...field, value: id } : field)),
      },
      asset: { asset_id: id, processing_state: 'incomplete', payload: { filepath: 'a.jpg' } },
    });
  const stored: Answer = {
    status: 201,
    body: '<?xml version="1.0"?><PostResponse><Key>x</Key></PostResponse>',
  };
  const prepare = (what: typeof text, ...answers: (Answer | Error)[]) => {
    const { preparer, sent } = redditWith(...answers);
    const told = context();
    return { result: preparer.prepare(user, what, media, told), sent, told };
  };

  it('asks the subreddit about a text post and uploads nothing', async () => {
    const { result, sent } = prepare(text, about(), required());
    expect(await result).toEqual({ ids: {}, expiresAt: null });
    const read = { method: 'GET', headers, body: undefined };
    expect(sent).toEqual([
      { ...read, url: `${api}/r/webdev/about?raw_json=1` },
      { ...read, url: `${api}/api/v1/webdev/post_requirements?raw_json=1` },
    ]);
  });

  it.each<[string, typeof text, Record<string, unknown>, string]>([
    ['the account is banned', text, { user_is_banned: true }, 'u/gatepost_dev is banned there'],
    ['it is archived', text, { subreddit_type: 'archived' }, 'it is archived'],
    [
      'it is restricted',
      text,
      { subreddit_type: 'restricted', user_is_contributor: false },
      'only approved users may post there',
    ],
    ['it takes text alone', link, { submission_type: 'self' }, 'it takes text posts alone'],
    ['it takes text alone', image, { submission_type: 'self' }, 'it takes text posts alone'],
    ['it takes links alone', text, { submission_type: 'link' }, 'it takes no text posts'],
    ['it takes no pictures', image, { allow_images: false }, 'it takes no pictures'],
    ['it takes no galleries', gallery, { allow_galleries: false }, 'it takes no galleries'],
    ['it takes no videos', film, { allow_videos: false }, 'it takes no videos'],
  ])('fails with the reason of the subreddit where %s', async (_what, what, more, reason) => {
    const { result, sent } = prepare(what, about(more), required());
    const error = await outcomeOf(result);
    expect([error.code, error.details.sent]).toEqual(['rejected', false]);
    expect(error.message).toBe(`r/webdev would not take this post: ${reason}`);
    expect(sent).toHaveLength(2);
  });

  it.each<[string, typeof text, Record<string, unknown>, string]>([
    [
      'title length',
      text,
      { title_text_min_length: 20 },
      'its title has 10 characters, at least 20 are needed',
    ],
    [
      'title length',
      text,
      { title_text_max_length: 5 },
      'its title has 10 characters, at most 5 are allowed',
    ],
    [
      'title words',
      text,
      { title_required_strings: ['[OC]', '[Help]'] },
      'its title needs one of "[OC]", "[Help]"',
    ],
    ['title words', text, { title_blacklisted_strings: ['LAUNCH'] }, 'its title may not have "LAUNCH"'],
    ['text', { ...text, text: '' }, { body_restriction_policy: 'required' }, 'it needs a text'],
    ['text', text, { body_restriction_policy: 'notAllowed' }, 'it may have no text'],
    ['text length', text, { body_text_min_length: 50 }, 'its text has 11 characters, at least 50 are needed'],
    ['text words', text, { body_blacklisted_strings: ['did'] }, 'its text may not have "did"'],
    ['flair', text, { is_flair_required: true }, 'it needs a flair'],
    ['domains', link, { domain_blacklist: ['example.com'] }, 'links to example.com are not allowed'],
    [
      'domains',
      link,
      { link_restriction_policy: 'whitelist', domain_whitelist: ['example.org'] },
      'links may lead to example.org alone',
    ],
    ['galleries', gallery, { gallery_min_items: 3 }, 'a gallery there has at least 3 pictures, not 2'],
    [
      'captions',
      gallery,
      { gallery_captions_requirement: 'required' },
      'every picture of a gallery needs a caption, which is not supported',
    ],
  ])('fails with what the subreddit requires of the %s', async (_what, what, more, reason) => {
    const error = await outcomeOf(prepare(what, about(), required(more)).result);
    expect(error.code).toBe('rejected');
    expect(error.message).toBe(`r/webdev would not take this post: ${reason}`);
  });

  it.each<[typeof text, Record<string, unknown>, Record<string, unknown>]>([
    [text, { subreddit_type: 'restricted', user_is_contributor: true }, {}],
    [text, { allow_images: false, allow_videos: false }, {}],
    [text, {}, { title_blacklisted_strings: ['laun', 'unch day!'] }],
    [text, {}, { title_regexes: ['^nothing'], body_regexes: ['('] }],
    [link, {}, { body_restriction_policy: 'required', body_text_min_length: 50 }],
    [link, {}, { link_restriction_policy: 'whitelist', domain_whitelist: ['example.com'] }],
    [{ ...text, options: { subreddit: 'webdev', flairId: 'x' } }, {}, { is_flair_required: true }],
  ])('lets through what Reddit may still take', async (what, more, rules) => {
    expect(await prepare(what, about(more), required(rules)).result).toMatchObject({ ids: {} });
  });

  it.each<[string, Answer]>([
    ['banned', { status: 404, body: { reason: 'banned', message: 'Not Found', error: 404 } }],
    ['the way to a search', { status: 302, headers: { location: `${api}/subreddits/search` } }],
    ['not there', ok({ kind: 'Listing', data: { dist: 0, children: [], after: null } })],
  ])('fails where the subreddit is %s', async (_what, answer) => {
    const error = await outcomeOf(prepare(text, answer).result);
    expect(error.code).toBe('rejected');
    expect(error.message).toBe('There is no r/webdev on Reddit, or it is closed');
  });

  it('tries again later where the subreddit cannot be asked', async () => {
    const error = await outcomeOf(prepare(text, { status: 503, body: '' }).result);
    expect(error.code).toBe('unavailable');
  });

  it('leases a place for the picture and sends it there with the fields of the lease and no token', async () => {
    const { result, sent, told } = prepare(image, about(), required(), leased('8xjguc40cnrb1'), stored);
    expect(await result).toEqual({
      ids: { assetIds: ['8xjguc40cnrb1'] },
      secret: JSON.stringify({ urls: [`${storage}/8xjguc40cnrb1`], posterUrl: null }),
      expiresAt: '2026-11-22T18:00:00.000Z',
    });
    const [, , lease, upload] = sent;
    expect(lease).toMatchObject({
      method: 'POST',
      url: `${api}/api/media/asset.json?raw_json=1`,
      headers: formHeaders,
      body: 'api_type=json&filepath=a.jpg&mimetype=image%2Fjpeg',
    });
    const body = String(upload!.body);
    expect(upload).toMatchObject({ method: 'POST', url: `${storage}/` });
    expect(upload!.headers).toEqual({
      'content-type': expect.stringMatching(/^multipart\/form-data; boundary=/),
      'content-length': String(body.length),
      'user-agent': agent,
    });
    const names = [...body.matchAll(/ name="([^"]+)"/g)].map(([, name]) => name);
    expect(names).toEqual(['acl', 'key', 'policy', 'x-amz-signature', 'Content-Type', 'file']);
    expect(body).toContain(
      'name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\x01\x02\x03\r\n',
    );
    expect(body).not.toContain(token);
    expect(told.told).toEqual(['Asking what r/webdev takes', 'Uploading medium a to Reddit']);
  });

  it('streams a video and uploads its poster behind it', async () => {
    const { result, sent } = prepare(
      ...([film, about(), required(), leased('5ph4906syw261', films), stored] as const),
      ...[leased('b7dipjasyw261'), stored],
    );
    expect(await result).toMatchObject({
      ids: { assetIds: ['5ph4906syw261'] },
      secret: JSON.stringify({ urls: [`${films}/5ph4906syw261`], posterUrl: `${storage}/b7dipjasyw261` }),
    });
    expect(form(sent[2])).toMatchObject({ filepath: 'v.mp4', mimetype: 'video/mp4' });
    expect(form(sent[4])).toMatchObject({ filepath: 'p.jpg', mimetype: 'image/jpeg' });
    expect(String(sent[3]!.body)).toContain('Content-Type: video/mp4\r\n\r\n\x07\x07\x07\x07\x07\r\n');
  });

  it('tells how far a large video has come', async () => {
    const large = { ...film, media: [video('v', 12_582_912, picture('p'))] };
    const megabytes: typeof media = {
      ...media,
      async *stream(item) {
        for (let sent = 0; sent < item.sizeBytes; sent += 1_048_576) yield new Uint8Array(1_048_576);
      },
    };
    const { preparer } = redditWith(about(), required(), leased('v', films), stored, leased('p'), stored);
    const told = context();
    await preparer.prepare(user, large, megabytes, told);
    expect(told.told).toContain('Uploading medium v to Reddit: 8388608 of 12582912 bytes');
  });

  it('keeps each file that has arrived and sends the rest alone after a crash', async () => {
    const broken = prepare(
      ...([gallery, about(), required(), leased('pb7qsvi6i3c51'), stored] as const),
      ...[leased('14wmudl6i3c51'), fetchFailure('ECONNRESET')],
    );
    expect((await outcomeOf(broken.result)).code).toBe('outcome-unknown');
    const first = {
      startedAtMs: now.getTime(),
      ...{ assetId0: 'pb7qsvi6i3c51', url0: `${storage}/pb7qsvi6i3c51` },
    };
    expect(broken.told.kept).toEqual([first]);

    const { preparer, sent } = redditWith(about(), required(), leased('14wmudl6i3c51'), stored);
    const handle = await preparer.prepare(user, gallery, media, context(first));
    expect(handle.ids).toEqual({ assetIds: ['pb7qsvi6i3c51', '14wmudl6i3c51'] });
    expect(sent).toHaveLength(4);
  });

  it('sends everything again where what was kept is old', async () => {
    const old = { startedAtMs: now.getTime() - 3_600_001, assetId0: 'gone', url0: `${storage}/gone` };
    const { preparer } = redditWith(about(), required(), leased('new1'), stored);
    expect((await preparer.prepare(user, image, media, context(old))).ids).toEqual({ assetIds: ['new1'] });
  });

  it('sends neither picture nor fields to a storage elsewhere', async () => {
    const { result, sent } = prepare(image, about(), required(), leased('x', 'https://uploads.evil.example'));
    const error = await outcomeOf(result);
    expect(error.message).toBe(
      'Reddit media upload: https://uploads.evil.example is not a host of this adapter, nothing was sent',
    );
    expect(sent).toHaveLength(3);
  });

  it.each<[string, Answer, string, string]>([
    [
      'too large',
      {
        status: 400,
        body: '<Error><Code>EntityTooLarge</Code><Message>m</Message><ProposedSize>9</ProposedSize><MaxSizeAllowed>7</MaxSizeAllowed></Error>',
      },
      'rejected',
      'Reddit media upload: the storage answered 400 EntityTooLarge: at most 7 bytes',
    ],
    [
      'late',
      { status: 403, body: '<Error><Code>AccessDenied</Code><Message>Policy expired.</Message></Error>' },
      'unavailable',
      'Reddit media upload: the storage answered 403 AccessDenied',
    ],
    [
      'not kept',
      { status: 204 },
      'unavailable',
      'Reddit media upload: the storage answered 204 without a code',
    ],
  ])('ends with a file that is %s', async (_what, answer, code, message) => {
    const error = await outcomeOf(
      prepare(image, about(), required(), leased('8xjguc40cnrb1'), answer).result,
    );
    expect([error.code, error.details.sent, error.message]).toEqual([code, false, message]);
  });

  it('shows none of the fields that admit an upload', async () => {
    const answer = {
      status: 500,
      body: 'eyJjb25kaXRpb25zIjogW3siYnVja2V0 0c2fc51946b39365a0c2fc51946b39365a',
    };
    const error = await outcomeOf(
      prepare(image, about(), required(), leased('8xjguc40cnrb1'), answer).result,
    );
    expect(error.message).toBe('Reddit media upload: answer 500 [redacted] [redacted]');
  });

  it('asks nothing about a post it could not publish', async () => {
    const { result, sent } = prepare({ ...gallery, media: [picture('a')] });
    expect((await outcomeOf(result)).message).toBe('Reddit CAROUSEL cannot carry 1 pieces of media');
    expect(sent).toEqual([]);
  });
});
