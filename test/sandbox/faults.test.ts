import {
  createContainer,
  createLinkedInPost,
  finishedContainer,
  instagram,
  instagramAccount,
  jpeg,
  json,
  linkedinHeaders,
  organization,
  type PictureHost,
  postBody,
  publish,
  settledStatus,
  startPictureHost,
  startTestSandbox,
  type TestSandbox,
  uploadImage,
} from './helpers.ts';

let sandbox: TestSandbox;
let pictures: PictureHost;

beforeAll(async () => {
  pictures = await startPictureHost({ '/square.jpg': await jpeg() });
});
afterAll(() => pictures.stop());
beforeEach(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => sandbox.stop());

const picture = () => ({ image_url: `${pictures.url}/square.jpg`, caption: 'Hello' });
const onPosts = { platform: 'linkedin', operation: 'linkedin.posts.create' } as const;
const onPublish = { platform: 'instagram', operation: 'instagram.media_publish' } as const;

async function countOfPosts(): Promise<number> {
  return (await sandbox.ledger()).length;
}

async function outcomeOf(operation: string) {
  return (await sandbox.requests(operation)).at(-1)?.answered;
}

describe('before accepting', () => {
  it('refuse answers like the platform, for good', async () => {
    await sandbox.fault({ ...onPosts, kind: 'refuse' });
    const response = await createLinkedInPost(sandbox, postBody('x'));
    expect([response.status, await json(response)]).toMatchObject([400, { code: 'INVALID_VALUE_FOR_FIELD' }]);
    await sandbox.fault({ ...onPublish, kind: 'refuse', code: 4, subcode: 2207051, status: 403 });
    const refused = await publish(sandbox, await finishedContainer(sandbox, picture()));
    expect([refused.status, await json(refused)]).toMatchObject([
      403,
      { error: { code: 4, error_subcode: 2207051 } },
    ]);
    expect(await countOfPosts()).toBe(0);
  });

  it('throttle says how long to wait, in the way of the platform', async () => {
    await sandbox.fault({ ...onPosts, kind: 'throttle', retryAfterSeconds: 7 });
    const linkedin = await createLinkedInPost(sandbox, postBody('x'));
    expect([linkedin.status, linkedin.headers.get('retry-after')]).toEqual([429, '7']);
    await sandbox.fault({ ...onPublish, kind: 'throttle', retryAfterSeconds: 90 });
    const container = await finishedContainer(sandbox, picture());
    const refused = await publish(sandbox, container);
    expect(await json(refused)).toMatchObject({ error: { code: 4 } });
    const usage = JSON.parse(refused.headers.get('x-business-use-case-usage')!) as Record<string, object[]>;
    expect(Object.values(usage)[0]).toEqual([
      expect.objectContaining({ estimated_time_to_regain_access: 2 }),
    ]);
    expect(await countOfPosts()).toBe(0);
    expect((await publish(sandbox, container)).status).toBe(200);
  });

  it('expired-token answers 401 though the token is good', async () => {
    await sandbox.fault({ ...onPosts, kind: 'expired-token' });
    await sandbox.fault({ ...onPublish, kind: 'expired-token' });
    const linkedin = await createLinkedInPost(sandbox, postBody('x'));
    expect([linkedin.status, await json(linkedin)]).toMatchObject([401, { code: 'EXPIRED_ACCESS_TOKEN' }]);
    const refused = await publish(sandbox, 'any');
    expect(await json(refused)).toMatchObject({ error: { code: 190, error_subcode: 463 } });
  });

  it('error-before-accept answers 500 and takes nothing', async () => {
    await sandbox.fault({ ...onPosts, kind: 'error-before-accept' });
    expect((await createLinkedInPost(sandbox, postBody('x'))).status).toBe(500);
    expect(await countOfPosts()).toBe(0);
  });

  it('reset-before-accept cuts the connection and takes nothing', async () => {
    await sandbox.fault({ ...onPosts, kind: 'reset-before-accept' });
    await expect(createLinkedInPost(sandbox, postBody('x'))).rejects.toThrow('fetch failed');
    expect(await countOfPosts()).toBe(0);
    expect(await outcomeOf('linkedin.posts.create')).toMatchObject({
      outcome: 'reset',
      fault: 'reset-before-accept',
    });
  });

  it('hang waits until the client gives up and takes nothing', async () => {
    await sandbox.fault({ ...onPosts, kind: 'hang' });
    const signal = AbortSignal.timeout(100);
    await expect(createLinkedInPost(sandbox, postBody('x'), { signal })).rejects.toThrow('aborted');
    expect(await countOfPosts()).toBe(0);
  });

  it('hang with a time ends in a closed connection', async () => {
    await sandbox.fault({ ...onPosts, kind: 'hang', ms: 50 });
    await expect(createLinkedInPost(sandbox, postBody('x'))).rejects.toThrow('fetch failed');
    expect(await outcomeOf('linkedin.posts.create')).toMatchObject({ outcome: 'closed' });
    expect(await countOfPosts()).toBe(0);
  });

  it('delay takes the post late, with the time the request arrived', async () => {
    await sandbox.fault({ ...onPosts, kind: 'delay', ms: 200 });
    const signal = AbortSignal.timeout(50);
    await expect(createLinkedInPost(sandbox, postBody('x'), { signal })).rejects.toThrow('aborted');
    expect(await countOfPosts()).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const [entry] = await sandbox.ledger();
    expect(Date.parse(entry!.acceptedAt) - Date.parse(entry!.receivedAt)).toBeGreaterThanOrEqual(190);
  });
});

describe('after accepting', () => {
  it('accept-then-reset shows the client a reset, and the ledger holds one entry', async () => {
    await sandbox.fault({ ...onPosts, kind: 'accept-then-reset' });
    const error = await createLinkedInPost(sandbox, postBody('x')).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: 'fetch failed', cause: { code: 'ECONNRESET' } });
    expect(await countOfPosts()).toBe(1);
  });

  it('accept-then-reset leaves an Instagram container published', async () => {
    const container = await finishedContainer(sandbox, picture());
    await sandbox.fault({ ...onPublish, kind: 'accept-then-reset' });
    await expect(publish(sandbox, container)).rejects.toThrow('fetch failed');
    expect(await settledStatus(sandbox, container)).toMatchObject({ status_code: 'PUBLISHED' });
    expect(await countOfPosts()).toBe(1);
  });

  it('error-after-accept answers 500, and the post is out', async () => {
    await sandbox.fault({ ...onPublish, kind: 'error-after-accept' });
    const response = await publish(sandbox, await finishedContainer(sandbox, picture()));
    expect([response.status, await json(response)]).toMatchObject([
      500,
      { error: { code: 2, is_transient: true } },
    ]);
    expect(await countOfPosts()).toBe(1);
  });

  it('hang-after-accept keeps the client waiting, and the post is out', async () => {
    await sandbox.fault({ ...onPosts, kind: 'hang-after-accept' });
    const signal = AbortSignal.timeout(100);
    await expect(createLinkedInPost(sandbox, postBody('x'), { signal })).rejects.toThrow('aborted');
    expect(await countOfPosts()).toBe(1);
  });

  it('truncated-json answers half an object, and the post is out', async () => {
    await sandbox.fault({ ...onPublish, kind: 'truncated-json' });
    const response = await publish(sandbox, await finishedContainer(sandbox, picture()));
    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow('JSON');
    await sandbox.fault({ ...onPosts, kind: 'truncated-json' });
    const created = await createLinkedInPost(sandbox, postBody('x'));
    expect([created.status, created.headers.get('x-restli-id')]).toEqual([201, null]);
    expect(await countOfPosts()).toBe(2);
  });

  it('does not count when the call is refused for its own reasons', async () => {
    await sandbox.fault({ ...onPosts, kind: 'accept-then-reset' });
    expect((await createLinkedInPost(sandbox, postBody('(unescaped'))).status).toBe(400);
    await expect(createLinkedInPost(sandbox, postBody('x'))).rejects.toThrow('fetch failed');
    expect(await countOfPosts()).toBe(1);
  });
});

it.each([
  ['before' as const, undefined, 502, 0],
  ['after' as const, 200, 200, 1],
])('html %s accepting answers a page instead of JSON', async (when, status, answered, posts) => {
  await sandbox.fault({ ...onPosts, kind: 'html', when, status });
  const response = await createLinkedInPost(sandbox, postBody('x'));
  expect(response.status).toBe(answered);
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(await countOfPosts()).toBe(posts);
});

describe('processing', () => {
  it('slow-container keeps a container in progress', async () => {
    await sandbox.fault({ operation: 'instagram.media.create', kind: 'slow-container', ms: 60_000 });
    const container = await createContainer(sandbox, picture());
    await new Promise((resolve) => setTimeout(resolve, 100));
    const response = await instagram(sandbox, 'GET', `${container}?fields=status_code`);
    expect(await json(response)).toMatchObject({ status_code: 'IN_PROGRESS' });
  });

  it('slow-upload-processing keeps an image in processing', async () => {
    await sandbox.fault({ operation: 'linkedin.images.upload', kind: 'slow-upload-processing', ms: 60_000 });
    const image = await uploadImage(sandbox, organization, 'organization-token', await jpeg());
    const response = await sandbox.get(`/linkedin/rest/images/${encodeURIComponent(image)}`, {
      headers: linkedinHeaders('organization-token'),
    });
    expect(await json(response)).toMatchObject({ status: 'PROCESSING' });
  });

  it('failed-processing ends a container in the error it names', async () => {
    await sandbox.fault({
      operation: 'instagram.media.create',
      kind: 'failed-processing',
      code: -2,
      subcode: 2207003,
    });
    const container = await createContainer(sandbox, picture());
    expect(await settledStatus(sandbox, container)).toEqual({
      id: container,
      status_code: 'ERROR',
      status: expect.stringContaining('2207003'),
    });
  });
});

describe('scripts', () => {
  it('skip the first calls, hit so many, and tell how often they did', async () => {
    await sandbox.fault({ ...onPosts, kind: 'error-before-accept', after: 1, times: 2 });
    const statuses: number[] = [];
    for (const text of ['a', 'b', 'c', 'd'])
      statuses.push((await createLinkedInPost(sandbox, postBody(text))).status);
    expect(statuses).toEqual([201, 500, 500, 201]);
    expect(await json(await sandbox.control('GET', '/faults'))).toMatchObject({
      faults: [{ kind: 'error-before-accept', hits: 2, seen: 3 }],
    });
  });

  it('run one after the other, and only for the account they name', async () => {
    await sandbox.fault({ ...onPosts, kind: 'throttle', externalId: organization });
    await sandbox.fault({ ...onPosts, kind: 'error-before-accept', externalId: organization });
    const status = async (text: string) =>
      (await createLinkedInPost(sandbox, postBody(text, organization), { token: 'organization-token' }))
        .status;
    expect((await createLinkedInPost(sandbox, postBody('member'))).status).toBe(201);
    expect([await status('a'), await status('b'), await status('c')]).toEqual([429, 500, 201]);
  });

  it('end when they are cleared', async () => {
    await sandbox.fault({ ...onPosts, kind: 'error-before-accept', times: 'always' });
    expect((await createLinkedInPost(sandbox, postBody('x'))).status).toBe(500);
    expect((await sandbox.control('DELETE', '/faults')).status).toBe(204);
    expect((await createLinkedInPost(sandbox, postBody('x'))).status).toBe(201);
  });

  it.each([
    [{ operation: 'linkedin.posts.creat', kind: 'refuse' }],
    [{ operation: 'linkedin.posts.create', kind: 'explode' }],
    [{ operation: 'linkedin.posts.create', kind: 'slow-container', ms: 1 }],
    [{ operation: 'linkedin.posts.create', kind: 'delay' }],
    [{ platform: 'instagram', operation: 'linkedin.posts.create', kind: 'refuse' }],
  ])('that make no sense are refused: %j', async (fault) => {
    expect((await sandbox.control('POST', '/faults', fault)).status).toBe(400);
  });
});

it('names the account of a fault on media creation by its Instagram id', async () => {
  await sandbox.fault({
    operation: 'instagram.media.create',
    kind: 'throttle',
    externalId: instagramAccount,
  });
  const response = await instagram(sandbox, 'POST', `${instagramAccount}/media`, picture());
  expect(await json(response)).toMatchObject({ error: { code: 4 } });
});
