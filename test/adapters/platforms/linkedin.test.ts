import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import { createLinkedIn, linkedin } from '../../../adapters/platforms/linkedin.ts';
import { escapeLittleText, unescapeLittleText } from '../../../adapters/platforms/little-text.ts';
import type { FindQuery } from '../../../adapters/platforms/publisher.ts';
import {
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  scripted,
  token,
} from './support.ts';

// Answers follow https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api
// and .../shares/images-api, .../shares/multiimage-post-api (read 2026-11-21).

const linkedIn = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createLinkedIn({ ...options, fetch }), sent };
};
const options: Omit<AdapterOptions, 'fetch'> = {
  ...linkedin.live,
  timings: { pollIntervalMs: 0, blindWaitMs: 0 },
  now: () => new Date('2026-11-21T18:00:00Z'),
};
const organization = account({
  platform: 'linkedin',
  kind: 'organization',
  externalId: 'urn:li:organization:42',
});
const member = account({ platform: 'linkedin', kind: 'member', externalId: 'urn:li:person:Ab1' });
const share = 'urn:li:share:7399';
const created = { status: 201, headers: { 'x-restli-id': share } };
const restHeaders = {
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  'linkedin-version': '202609',
  'x-restli-protocol-version': '2.0.0',
};
const commitText = (...answers: Parameters<typeof scripted>) =>
  linkedIn(...answers).organization.publisher.commit(
    organization,
    content('TEXT_ONLY', 'Hello'),
    null,
    context(),
  );

describe('commit', () => {
  const postBody = {
    visibility: 'PUBLIC',
    distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
  };

  it('sends a text post as one versioned request and reads the id from the header', async () => {
    const { organization: adapter, sent } = linkedIn(created);
    const text = 'Launch (today)! #GoTime';
    const receipt = await adapter.publisher.commit(organization, content('TEXT_ONLY', text), null, context());
    expect(receipt).toEqual({ publicId: share, permalink: `https://www.linkedin.com/feed/update/${share}` });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://api.linkedin.com/rest/posts',
        headers: restHeaders,
        body: { ...postBody, author: 'urn:li:organization:42', commentary: 'Launch \\(today\\)! #GoTime' },
      },
    ]);
  });

  it('sends a single picture as media and several as multiImage, in order and with their alternative texts', async () => {
    const { member: adapter, sent } = linkedIn(created, created);
    const first = { id: 'urn:li:image:A', altText: 'A red door' };
    const handle = (...imageUrns: string[]) => ({ ids: { imageUrns }, expiresAt: null });
    const one = content('SINGLE_IMAGE', 'x', [picture('a', 'A red door')]);
    await adapter.publisher.commit(member, one, handle('urn:li:image:A'), context());
    const two = content('CAROUSEL', 'x', [picture('a', 'A red door'), picture('b')]);
    await adapter.publisher.commit(member, two, handle('urn:li:image:A', 'urn:li:image:B'), context());
    const body = { ...postBody, author: 'urn:li:person:Ab1', commentary: 'x' };
    expect(sent.map((request) => request.body)).toEqual([
      { ...body, content: { media: first } },
      { ...body, content: { multiImage: { images: [first, { id: 'urn:li:image:B' }] } } },
    ]);
  });

  it('refuses before sending what the handle or the type does not allow', async () => {
    const { organization: adapter, sent } = linkedIn();
    const commit = (...[type, count]: ['SINGLE_IMAGE' | 'CAROUSEL' | 'VIDEO' | 'STORY', number]) => {
      const pictures = Array.from({ length: count }, (_, index) => picture(String(index)));
      return outcomeOf(adapter.publisher.commit(organization, content(type, 'x', pictures), null, context()));
    };
    const unprepared = await commit('SINGLE_IMAGE', 1);
    expect(unprepared.code).toBe('unavailable');
    expect(unprepared.details).toEqual({ sent: false, handleIsDead: true });
    expect((await commit('CAROUSEL', 21)).message).toBe('LinkedIn CAROUSEL cannot carry 21 pieces of media');
    expect((await commit('VIDEO', 0)).message).toBe('LinkedIn VIDEO cannot carry 0 pieces of media');
    expect((await commit('VIDEO', 1)).details).toEqual({ sent: false, handleIsDead: true });
    expect((await commit('STORY', 0)).message).toBe('LinkedIn posts of type STORY are not supported');
    expect(sent).toEqual([]);
  });

  it('calls a 201 without a URN in its header an unexpected response', async () => {
    for (const headers of [{ 'x-other': '' }, { 'x-restli-id': 'fine' }] as Record<string, string>[]) {
      const error = await outcomeOf(commitText({ status: 201, headers, body: {} }));
      expect(error.code).toBe('unexpected-response');
      expect(error.message).toBe("LinkedIn post creation: answer 201 without a post's URN in x-restli-id");
    }
  });

  it('takes the URN out of a duplicate, and none from a duplicate without one', async () => {
    const named = { code: 'DUPLICATE_POST', message: 'Content is a duplicate of urn:li:share:7123' };
    const error = await outcomeOf(commitText({ status: 422, body: named }));
    expect(error.code).toBe('rejected');
    expect(error.details).toEqual({
      status: 422,
      platformCode: 'DUPLICATE_POST',
      existingPublicId: 'urn:li:share:7123',
    });
    const unnamed = { code: 'DUPLICATE_POST', message: 'Content is a duplicate' };
    const other = await outcomeOf(commitText({ status: 422, body: unnamed }));
    expect(other.details).toEqual({ status: 422, platformCode: 'DUPLICATE_POST' });
  });

  // https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling (read 2026-11-21)
  it.each([
    [401, 'EXPIRED_ACCESS_TOKEN', 'unauthorized', {}],
    [403, 'ACCESS_DENIED', 'unauthorized', {}],
    [403, 'SOMETHING_ELSE', 'rejected', {}],
    [400, 'FIELD_LENGTH_TOO_LONG', 'rejected', {}],
    [400, 'INVALID_IMAGE_ID', 'rejected', { handleIsDead: true }],
    [400, 'MEDIA_ASSET_PROCESSING_FAILED', 'rejected', { handleIsDead: true }],
    [400, 'MEDIA_ASSET_WAITING_UPLOAD', 'unavailable', { sent: false, retryAfterMs: 10_000 }],
    [400, 'EXPIRED_UPLOAD_URL', 'unavailable', { sent: false, handleIsDead: true }],
    [409, 'CONFLICT', 'unavailable', { sent: true }],
    [426, 'NONEXISTENT_VERSION', 'rejected', {}],
    [429, 'TOO_MANY_REQUESTS', 'rate-limited', { retryAfterMs: 60_000 }],
    [500, 'INTERNAL_SERVER_ERROR', 'unavailable', { sent: true }],
  ])('reads %i %s as %s', async (status, platformCode, code, details) => {
    const error = await outcomeOf(
      commitText({ status, body: { status, code: platformCode, message: 'Why' } }),
    );
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ status, platformCode, ...details });
    expect(error.message).toBe(`LinkedIn post creation: LinkedIn answered ${status} ${platformCode}: Why`);
  });

  it('reads the finer code of a field error', async () => {
    const body = {
      code: 'INVALID',
      message: 'x',
      errorDetails: { inputErrors: [{ code: 'INVALID_URN_ID' }] },
    };
    expect((await outcomeOf(commitText({ status: 400, body }))).details.platformCode).toBe('INVALID_URN_ID');
  });

  it('waits for midnight UTC when the limit of the day is reached', async () => {
    const message = 'Resource level throttle MEMBER DAY limit for calls to this resource is reached.';
    const error = await outcomeOf(commitText({ status: 429, body: { code: 'TOO_MANY_REQUESTS', message } }));
    expect(error.code).toBe('rate-limited');
    expect(error.details.retryAfterMs).toBe(6 * 3_600_000);
  });

  it('knows no connection from no answer', async () => {
    const refused = await outcomeOf(commitText(fetchFailure('ECONNREFUSED')));
    expect([refused.code, refused.details.sent]).toEqual(['unavailable', false]);
    const reset = await outcomeOf(commitText(fetchFailure('ECONNRESET')));
    expect(reset.code).toBe('outcome-unknown');
    const page = await outcomeOf(commitText({ status: 502, body: '<html>Bad gateway</html>' }));
    expect([page.code, page.details.sent]).toEqual(['unavailable', true]);
  });
});

describe('confirm', () => {
  it('builds the permalink without asking', async () => {
    const { member: adapter, sent } = linkedIn();
    const receipt = await adapter.publisher.confirm(member, share, context());
    expect(receipt).toEqual({ publicId: share, permalink: `https://www.linkedin.com/feed/update/${share}` });
    expect(sent).toEqual([]);
  });
});

describe('prepare', () => {
  const uploadUrl = 'https://www.linkedin.com/dms-uploads/sp/A/uploaded-image/0?ca=secret';
  const started = (image: string) => ({
    status: 200,
    body: { value: { uploadUrl, image, uploadUrlExpiresAt: 1 } },
  });
  const status = (value: string) => ({ status: 200, body: { status: value } });
  const one = content('SINGLE_IMAGE', 'x', [picture('a')]);

  it('starts, uploads with the bearer token and polls until the picture is available', async () => {
    const { organization: adapter, sent } = linkedIn(
      started('urn:li:image:A'),
      { status: 201 },
      status('PROCESSING'),
      status('AVAILABLE'),
    );
    const told = context();
    const handle = await adapter.preparer.prepare(organization, one, media, told);
    expect(handle).toEqual({ ids: { imageUrns: ['urn:li:image:A'] }, expiresAt: null });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://api.linkedin.com/rest/images?action=initializeUpload',
        headers: restHeaders,
        body: { initializeUploadRequest: { owner: 'urn:li:organization:42' } },
      },
      {
        method: 'PUT',
        url: uploadUrl,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
        body: new Uint8Array([1, 2, 3]),
      },
      ...[0, 1].map(() => ({
        method: 'GET',
        url: 'https://api.linkedin.com/rest/images/urn%3Ali%3Aimage%3AA',
        headers: restHeaders,
        body: undefined,
      })),
    ]);
    expect(told.told).toEqual([
      'Uploading picture a to LinkedIn',
      'LinkedIn is processing urn:li:image:A (PROCESSING)',
    ]);
  });

  it("waits a grace period when a member's token may not read the picture", async () => {
    const denied = { status: 403, body: { code: 'ACCESS_DENIED', message: 'Not enough permissions' } };
    const { member: adapter, sent } = linkedIn(started('urn:li:image:A'), { status: 201 }, denied);
    const told = context();
    const handle = await adapter.preparer!.prepare(member, one, media, told);
    expect(handle.ids).toEqual({ imageUrns: ['urn:li:image:A'] });
    expect(sent).toHaveLength(3);
    expect(told.told.at(-1)).toBe('Waiting for LinkedIn to process pictures');
  });

  it("does not excuse an organisation's token that may not read the picture", async () => {
    const denied = { status: 403, body: { code: 'ACCESS_DENIED', message: 'Not enough permissions' } };
    const { organization: adapter } = linkedIn(started('urn:li:image:A'), { status: 201 }, denied);
    const error = await outcomeOf(adapter.preparer.prepare(organization, one, media, context()));
    expect(error.code).toBe('unauthorized');
  });

  it('sends neither picture nor token to an upload address elsewhere', async () => {
    const value = { uploadUrl: 'https://uploads.evil.example/a', image: 'urn:li:image:A' };
    const { organization: adapter, sent } = linkedIn({ status: 200, body: { value } });
    const error = await outcomeOf(adapter.preparer.prepare(organization, one, media, context()));
    expect(error.code).toBe('unexpected-response');
    expect(error.message).toBe(
      'LinkedIn image upload: https://uploads.evil.example is not a host of this adapter, nothing was sent',
    );
    expect(sent).toHaveLength(1);
  });

  it('does not trust the real LinkedIn as upload host of an API that stands elsewhere', async () => {
    const { fetch, sent } = scripted(started('urn:li:image:A'));
    const sandbox = { ...options, hosts: { api: 'http://127.0.0.1:4010/linkedin/' }, uploadOrigins: [] };
    const adapter = createLinkedIn({ ...sandbox, fetch }).organization;
    const error = await outcomeOf(adapter.preparer.prepare(organization, one, media, context()));
    expect(error.message).toContain('https://www.linkedin.com is not a host of this adapter');
    expect(sent.map(({ url }) => url)).toEqual([
      'http://127.0.0.1:4010/linkedin/rest/images?action=initializeUpload',
    ]);
  });

  it('uploads nothing for a post it could not publish', async () => {
    const { organization: adapter, sent } = linkedIn();
    const error = await outcomeOf(
      adapter.preparer.prepare(organization, content('CAROUSEL', 'x', [picture('a')]), media, context()),
    );
    expect([error.code, error.message]).toEqual([
      'rejected',
      'LinkedIn CAROUSEL cannot carry 1 pieces of media',
    ]);
    expect(sent).toEqual([]);
  });

  it('ends with the picture LinkedIn could not process', async () => {
    const { organization: adapter } = linkedIn(
      started('urn:li:image:A'),
      { status: 201 },
      status('PROCESSING_FAILED'),
    );
    const error = await outcomeOf(adapter.preparer.prepare(organization, one, media, context()));
    expect(error.code).toBe('rejected');
    expect(error.message).toBe('LinkedIn could not process urn:li:image:A');
  });

  it('gives up on a picture that never gets ready, and on a status nobody knows', async () => {
    const slow = scripted(started('urn:li:image:A'), { status: 201 }, status('PROCESSING'));
    const impatient = createLinkedIn({
      ...options,
      timings: { ...options.timings, processingTimeoutMs: 0 },
      fetch: slow.fetch,
    }).organization;
    const late = await outcomeOf(impatient.preparer.prepare(organization, one, media, context()));
    expect([late.code, late.details.sent]).toEqual(['unavailable', false]);
    const { organization: adapter } = linkedIn(started('urn:li:image:A'), { status: 201 }, status('DANCING'));
    const unknown = await outcomeOf(adapter.preparer.prepare(organization, one, media, context()));
    expect(unknown.code).toBe('unexpected-response');
    expect(unknown.message).toBe('LinkedIn image status: unknown status "DANCING"');
  });
});

describe('find', () => {
  const at = Date.parse('2026-11-21T17:30:00Z');
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    content: content('TEXT_ONLY', 'We (really) did it #GoTime'),
    handle: null,
    sentAfter: new Date(at - 5_000),
    sentBefore: new Date(at + 5_000),
    ...fields,
  });
  const post = (fields: Record<string, unknown> = {}) => ({
    id: share,
    commentary: 'We \\(really\\) did it {hashtag|\\#|GoTime}',
    lifecycleState: 'PUBLISHED',
    publishedAt: at,
    lastModifiedAt: at,
    ...fields,
  });
  const page = (...elements: unknown[]) => ({ status: 200, body: { elements } });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) => {
    const { organization: adapter, sent } = linkedIn(...answers);
    return { result: adapter.finder.find(organization, search, context()), sent };
  };

  it('is not there for members, whose posts cannot be read back', () => {
    expect(linkedIn().member).not.toHaveProperty('finder');
  });

  it('asks for the latest posts of the author', async () => {
    const { result, sent } = find(query(), page(post()));
    const permalink = `https://www.linkedin.com/feed/update/${share}`;
    expect(await result).toEqual({ kind: 'found', receipt: { publicId: share, permalink } });
    expect(sent).toEqual([
      {
        method: 'GET',
        url: 'https://api.linkedin.com/rest/posts?q=author&author=urn%3Ali%3Aorganization%3A42&count=10&start=0&sortBy=LAST_MODIFIED',
        headers: { ...restHeaders, 'x-restli-method': 'FINDER' },
        body: undefined,
      },
    ]);
  });

  it('knows the text escaped, unescaped and as a template', async () => {
    for (const commentary of [
      'We (really) did it #GoTime',
      'We \\(really\\) did it \\#GoTime',
      ' We \\(really\\) did it #GoTime\r\n',
    ]) {
      expect(await find(query(), page(post({ commentary }))).result).toMatchObject({ kind: 'found' });
    }
  });

  it('is not taken in by the same text at another time, nor by another text or a post with pictures', async () => {
    const others = [
      post({ publishedAt: at - 3_600_000 }),
      post({ commentary: 'Something else' }),
      post({ content: { media: { id: 'urn:li:image:Z' } } }),
    ];
    expect(await find(query(), page(...others)).result).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('goes by the URNs of the pictures whatever the text became', async () => {
    const handle = { ids: { imageUrns: ['urn:li:image:A', 'urn:li:image:B'] }, expiresAt: null };
    const images = (...ids: string[]) => ({ multiImage: { images: ids.map((id) => ({ id })) } });
    const ours = post({ commentary: 'cut', content: images('urn:li:image:A', 'urn:li:image:B') });
    const theirs = post({ id: 'urn:li:share:1', content: images('urn:li:image:C', 'urn:li:image:D') });
    expect(await find(query({ handle }), page(theirs, ours)).result).toMatchObject({
      receipt: { publicId: share },
    });
    expect(await find(query({ handle }), page(theirs)).result).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('does not conclude absence when our text is listed without its pictures', async () => {
    const handle = { ids: { imageUrns: ['urn:li:image:A'] }, expiresAt: null };
    expect(await find(query({ handle }), page(post())).result).toEqual({
      kind: 'cannot-tell',
      reason: `${share} has the same text and no pictures`,
    });
  });

  it('turns pages until one reaches back before the window', async () => {
    const newer = Array.from({ length: 10 }, (_, index) =>
      post({ id: `urn:li:share:${index}`, commentary: 'n' }),
    );
    const older = post({ commentary: 'o', publishedAt: at - 9e6, lastModifiedAt: at - 9e6 });
    const { result, sent } = find(query(), page(...newer), page(...newer.slice(1), older));
    expect(await result).toEqual({ kind: 'absent', proof: 'read' });
    expect(sent.map(({ url }) => new URL(url).searchParams.get('start'))).toEqual(['0', '10']);
  });

  it('cannot tell when the window lies too far back', async () => {
    const newer = Array.from({ length: 10 }, (_, index) =>
      post({ id: `urn:li:share:${index}`, commentary: 'n' }),
    );
    const pages = Array.from({ length: 5 }, () => page(...newer));
    expect(await find(query(), ...pages).result).toEqual({
      kind: 'cannot-tell',
      reason: 'the window lies behind the 50 posts changed last',
    });
  });

  it('cannot tell about a post that was created and failed to appear', async () => {
    expect(await find(query(), page(post({ lifecycleState: 'PUBLISH_FAILED' }))).result).toEqual({
      kind: 'cannot-tell',
      reason: `${share} was created and is not visible (PUBLISH_FAILED)`,
    });
  });

  it('does not take an unreadable list for an empty one', async () => {
    for (const body of [{}, { elements: [{ id: share }] }]) {
      const error = await outcomeOf(find(query(), { status: 200, body }).result);
      expect(error.code).toBe('unexpected-response');
    }
  });
});

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api (read 2026-11-21)
describe('a first comment', () => {
  const reply = { text: 'More (here): https://x.example', parentId: share, rootId: share };
  const permalink = `https://www.linkedin.com/feed/update/${share}`;
  const comments = 'https://api.linkedin.com/rest/socialActions/urn%3Ali%3Ashare%3A7399/comments';
  const at = Date.parse('2026-11-21T17:30:00Z');
  const window = { sentAfter: new Date(at - 5_000), sentBefore: new Date(at + 5_000) };
  const listed = (fields: Record<string, unknown> = {}) => ({
    id: '6636',
    actor: 'urn:li:organization:42',
    message: { text: reply.text },
    created: { time: at },
    ...fields,
  });

  it('stands below the post as plain text', async () => {
    for (const id of ['6636', 'urn:li:comment:(urn:li:activity:1,6636)']) {
      const { member: adapter, sent } = linkedIn({ status: 201, headers: { 'x-restli-id': id } });
      expect(await adapter.replier.reply(member, reply, context())).toEqual({ publicId: id, permalink });
      expect(sent).toEqual([
        {
          method: 'POST',
          url: comments,
          headers: restHeaders,
          body: { actor: 'urn:li:person:Ab1', object: share, message: { text: reply.text } },
        },
      ]);
    }
  });

  it('does not take the connection for dead where the application may not comment', async () => {
    const denied = { status: 403, body: { code: 'ACCESS_DENIED', message: 'Not enough permissions' } };
    const { member: adapter } = linkedIn(denied);
    const error = await outcomeOf(adapter.replier.reply(member, reply, context()));
    expect(error.code).toBe('rejected');
    expect(error.message).toBe(
      'LinkedIn comment: LinkedIn answered 403 ACCESS_DENIED: Not enough permissions (the application may lack the Community Management API, which comments need)',
    );
  });

  it('is in doubt without an id, and refused as a part of a thread', async () => {
    const { member: adapter, sent } = linkedIn({ status: 201 });
    const silent = await outcomeOf(adapter.replier.reply(member, reply, context()));
    expect(silent.code).toBe('unexpected-response');
    const part = { ...reply, parentId: 'urn:li:comment:(urn:li:activity:1,6636)' };
    const refused = await outcomeOf(adapter.replier.reply(member, part, context()));
    expect([refused.code, refused.details.sent]).toEqual(['rejected', false]);
    expect(sent).toHaveLength(1);
  });

  it('is found by author, text and time below a post of an organisation, and by nothing less', async () => {
    const find = (...elements: unknown[]) => {
      const { organization: adapter, sent } = linkedIn({ status: 200, body: { elements } });
      return { result: adapter.replier.findReply!(organization, reply, window, context()), sent };
    };
    const { result, sent } = find(listed({ message: { text: 'Other' } }), listed());
    expect(await result).toEqual({ kind: 'found', receipt: { publicId: '6636', permalink } });
    expect(sent[0]).toEqual({
      method: 'GET',
      url: `${comments}?start=0&count=100`,
      headers: restHeaders,
      body: undefined,
    });
    const others = [listed({ actor: 'urn:li:person:Z' }), listed({ created: { time: at - 3_600_000 } })];
    expect(await find(...others).result).toEqual({ kind: 'absent', proof: 'read' });
    const full = Array.from({ length: 100 }, () => listed({ actor: 'urn:li:person:Z' }));
    expect(await find(...full).result).toMatchObject({ kind: 'cannot-tell' });
    expect((await outcomeOf(find({}).result)).code).toBe('unexpected-response');
    expect(linkedIn().member.replier).not.toHaveProperty('findReply');
  });
});

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
describe('what stands', () => {
  const url = 'https://api.linkedin.com/rest/posts/urn%3Ali%3Ashare%3A7399';

  it('is taken down, also twice', async () => {
    const { member: adapter, sent } = linkedIn({ status: 204 }, { status: 404, body: { message: 'Gone' } });
    await adapter.remover.remove(member, share, context());
    await adapter.remover.remove(member, share, context());
    expect(sent[0]).toEqual({
      method: 'DELETE',
      url,
      headers: { ...restHeaders, 'x-restli-method': 'DELETE' },
      body: undefined,
    });
    const { member: failing } = linkedIn({ status: 500, body: { message: 'x' } });
    expect((await outcomeOf(failing.remover.remove(member, share, context()))).code).toBe('unavailable');
  });

  it('gets another text, escaped like the first', async () => {
    const { organization: adapter, sent } = linkedIn({ status: 204 });
    await adapter.amender.amend(organization, share, content('TEXT_ONLY', 'Now (really)'), context());
    expect(sent).toEqual([
      {
        method: 'POST',
        url,
        headers: { ...restHeaders, 'x-restli-method': 'PARTIAL_UPDATE' },
        body: { patch: { $set: { commentary: 'Now \\(really\\)' } } },
      },
    ]);
  });
});

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format (read 2026-11-21)
describe('little text', () => {
  it.each([
    ['plain words', 'plain words'],
    ['|{}@[]()<>#\\*_~', '\\|\\{\\}\\@\\[\\]\\(\\)\\<\\>\\#\\\\\\*\\_\\~'],
    ['#one and (#two)', '#one and \\(#two\\)'],
    ['#snake_case!', '#snake\\_case!'],
    ['#Größe #日本 #हिन्दी', '#Größe #日本 #हिन्दी'],
    ['C# and # alone and #1', 'C\\# and \\# alone and \\#1'],
    ['##double a#b https://x.example/#top', '\\#\\#double a\\#b https://x.example/\\#top'],
    ['me@mail.example', 'me\\@mail.example'],
    ['', ''],
  ])('writes %j as %j', (text, escaped) => {
    expect(escapeLittleText(text)).toBe(escaped);
    expect(unescapeLittleText(escaped)).toBe(text);
  });

  it('reads mentions and hashtag templates as what they show', () => {
    expect(unescapeLittleText('Hi @[Dev \\(Co\\)](urn:li:organization:1) {hashtag|\\#|go\\_time}')).toBe(
      'Hi Dev (Co) #go_time',
    );
  });
});
