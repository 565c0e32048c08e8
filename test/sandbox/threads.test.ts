import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import { sandboxEndpoints } from '../../adapters/platforms/registry.ts';
import { createThreads, threads as definition } from '../../adapters/platforms/threads.ts';
import { account, content, context, token } from '../adapters/platforms/support.ts';
import {
  jpeg,
  json,
  type PictureHost,
  register,
  startPictureHost,
  startTestSandbox,
  type TestSandbox,
} from './helpers.ts';

const user = account({ platform: 'threads', kind: 'user', externalId: '25025' });

let sandbox: TestSandbox;
let pictures: PictureHost;
beforeAll(async () => {
  pictures = await startPictureHost({
    '/square.jpg': await jpeg(400, 400),
    '/strip.jpg': await jpeg(1_100, 100),
  });
});
afterAll(() => pictures.stop());
beforeEach(async () => {
  sandbox = await startTestSandbox();
  const { accessToken, ...fields } = user;
  await register(sandbox, { ...fields, name: 'Red Doors', token: accessToken });
});
afterEach(() => sandbox.stop());

const call = (method: string, path: string, form?: Record<string, string>, accessToken = token) =>
  sandbox.get(`/threads/v1.0/${path}`, {
    method,
    headers: { authorization: `Bearer ${accessToken}` },
    body: form ? new URLSearchParams(form) : null,
  });
const create = (form: Record<string, string>) => call('POST', '25025/threads', form);
async function settled(id: string): Promise<Record<string, unknown>> {
  for (;;) {
    const status = await json(await call('GET', `${id}?fields=status,error_message`));
    if (status.status !== 'IN_PROGRESS') return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const idOf = async (response: Response) => (await json<{ id: string }>(response)).id;
const publish = (id: string) => call('POST', '25025/threads_publish', { creation_id: id });
const picture = (path: string) => ({ media_type: 'IMAGE', image_url: pictures.url + path });

describe('a container', () => {
  it('of a text is published once, however often and fast it is asked for', async () => {
    const id = await idOf(await create({ media_type: 'TEXT', text: 'Hello' }));
    const answers = await Promise.all([1, 2, 3].map(() => publish(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    const [entry, ...others] = await sandbox.ledger('?platform=threads');
    expect([entry, others]).toMatchObject([{ postType: 'TEXT_ONLY', text: 'Hello', handle: id }, []]);
    expect(entry!.permalink).toMatch(/\/@red_doors\/post\/\w/);
    expect((await fetch(entry!.permalink)).status).toBe(200);
    expect(await settled(id)).toMatchObject({ status: 'PUBLISHED' });
  });

  it('is not published before it is finished, nor when it has failed or is an item of a carousel', async () => {
    await sandbox.settings({ containerProcessingMs: 60_000 });
    const slow = await idOf(await create({ media_type: 'TEXT', text: 'Hello' }));
    await sandbox.settings({ containerProcessingMs: 0 });
    const failed = await idOf(await create(picture('/strip.jpg')));
    expect(await settled(failed)).toMatchObject({ status: 'ERROR', error_message: 'INVALID_ASPEC_RATIO' });
    const item = await idOf(await create({ ...picture('/square.jpg'), is_carousel_item: 'true' }));
    expect(await settled(item)).toMatchObject({ status: 'FINISHED' });
    for (const id of [slow, failed, item]) {
      expect(await json(await publish(id))).toMatchObject({ error: { code: 24, error_subcode: 4279009 } });
    }
    expect(await sandbox.ledger()).toEqual([]);
  });

  it.each([
    ['no media type', { text: 'x' }],
    ['a text without words', { media_type: 'TEXT' }],
    ['more than 500 characters', { media_type: 'TEXT', text: 'x'.repeat(501) }],
    ['500 with an emoji, which counts its bytes', { media_type: 'TEXT', text: `${'x'.repeat(497)}😀` }],
    [
      'six links',
      { media_type: 'TEXT', text: [1, 2, 3, 4, 5, 6].map((n) => `https://${n}.example`).join(' ') },
    ],
    [
      'a link beside a picture',
      { media_type: 'IMAGE', image_url: 'https://a.example/a.jpg', link_attachment: 'https://a.example' },
    ],
    ['a picture without an address', { media_type: 'IMAGE' }],
    ['a carousel of one', { media_type: 'CAROUSEL', children: '17' }],
    ['an unknown audience', { media_type: 'TEXT', text: 'x', reply_control: 'nobody' }],
    ['a topic with a dot', { media_type: 'TEXT', text: 'x', topic_tag: 'a.b' }],
    ['a parent that is not there', { media_type: 'TEXT', text: 'x', reply_to_id: '18' }],
  ])('is refused for %s', async (_what, form) => {
    const answer = await create(form as Record<string, string>);
    expect([answer.status, await json(answer)]).toMatchObject([400, { error: { code: 100 } }]);
  });

  it("is refused for another token's account", async () => {
    await register(sandbox, {
      ...{ platform: 'threads', kind: 'user', externalId: '7', name: 'Other' },
      ...{ token: 'other', scopes: ['threads_basic'] },
    });
    const elsewhere = await call('POST', '25025/threads', { media_type: 'TEXT', text: 'x' }, 'other');
    expect(await json(elsewhere)).toMatchObject({ error: { code: 100, error_subcode: 33 } });
    const unscoped = await call('POST', '7/threads', { media_type: 'TEXT', text: 'x' }, 'other');
    expect(await json(unscoped)).toMatchObject({ error: { code: 10 } });
  });
});

it('takes a thread part by part, shows each below the one before, and takes it down again', async () => {
  const fetch = createPlatformFetch();
  const options = { ...sandboxEndpoints(sandbox.url).threads, fetch, timings: { pollIntervalMs: 10 } };
  const { publisher, preparer, replier, remover, quotaReader } = createThreads(options).user;
  const post = content('TEXT_ONLY', '1/3');
  const handle = await preparer.prepare(user, post, context().media, context());
  const { publicId: rootId } = await publisher.commit(user, post, handle, context());
  const window = () => ({ sentAfter: new Date(Date.now() - 1_000), sentBefore: new Date() });
  let parentId = rootId;
  for (const text of ['2/3', '3/3']) {
    const part = { text, parentId, rootId };
    const find = () => replier.findReply!(user, part, window(), context());
    expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
    const { publicId } = await replier.reply(user, part, context());
    expect(await find()).toMatchObject({ kind: 'found', receipt: { publicId } });
    parentId = publicId;
  }
  const entries = await sandbox.ledger();
  expect(entries.map(({ postType, text }) => [postType, text])).toEqual([
    ['TEXT_ONLY', '1/3'],
    ['REPLY', '2/3'],
    ['REPLY', '3/3'],
  ]);
  expect(entries.map((entry) => entry.parentId)).toEqual([undefined, rootId, entries[1]!.publicId]);
  expect(await quotaReader.readQuota(user, context())).toEqual({
    ...{ used: 1, total: 100, windowSeconds: 86_400 },
  });
  for (const _twice of [1, 2]) await remover.remove(user, rootId, context());
  expect((await sandbox.ledger()).map(({ removedAt }) => removedAt !== undefined)).toEqual([
    true,
    false,
    false,
  ]);
});

it('tells the account behind a token', async () => {
  const { listAccounts } = definition.connect!({
    ...sandboxEndpoints(sandbox.url).threads,
    fetch: createPlatformFetch(),
  });
  expect(await listAccounts(token, context())).toEqual([
    { kind: 'user', externalId: '25025', name: 'red_doors', accessToken: null, obstacle: null },
  ]);
});
