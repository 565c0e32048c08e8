import { createMastodon } from '../../adapters/platforms/mastodon.ts';
import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import type { Account } from '../../adapters/platforms/publisher.ts';
import { content, context, media, outcomeOf, video } from '../adapters/platforms/support.ts';
import { createClock, json, register, startTestSandbox, type TestSandbox } from './helpers.ts';

const clock = createClock();
const user: Account = { platform: 'mastodon', kind: 'user', externalId: '14715', accessToken: 'm-token' };
let sandbox: TestSandbox;
let adapter: ReturnType<typeof createMastodon>['user'];

beforeAll(async () => {
  sandbox = await startTestSandbox({ now: clock.now });
});
afterAll(() => sandbox.stop());
beforeEach(async () => {
  await sandbox.control('DELETE', '/state');
  await sandbox.settings({ imageProcessingMs: 0 });
  const named = { platform: 'mastodon', kind: 'user' };
  await register(sandbox, { ...named, externalId: user.externalId, name: 'Us', token: 'm-token' });
  const scopes = ['read'];
  await register(sandbox, { ...named, externalId: '6', name: 'Readers', token: 'reader-token', scopes });
  const hosts = { api: `${sandbox.url}/mastodon` };
  adapter = createMastodon({
    ...{ hosts, version: '', uploadOrigins: [], permalinkBaseUrl: sandbox.url, now: clock.now },
    ...{ fetch: createPlatformFetch(), timings: { pollIntervalMs: 0 } },
  }).user;
});

const post = async (body: Record<string, unknown>, key?: string, token = 'm-token') => {
  const response = await sandbox.get('/mastodon/api/v1/statuses', {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(key && { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...(await json<{ id?: string; error?: string }>(response)) };
};

it('makes one post of a key for an hour, and as many as are asked for without one', async () => {
  const sent = await Promise.all([0, 1, 2].map(() => post({ status: 'Once' }, 'k')));
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  await post({ status: 'Once' });
  expect(await sandbox.ledger('?platform=mastodon')).toHaveLength(2);
  clock.advance(3_600_000);
  await post({ status: 'Once' }, 'k');
  expect(await sandbox.ledger('?platform=mastodon')).toHaveLength(3);
});

it.each([
  ['neither text nor media', 422, { status: ' ' }],
  ['more than 500 characters', 422, { status: 'x'.repeat(501) }],
  ['a visibility that it does not have', 422, { status: 'x', visibility: 'everyone' }],
  ['media that it does not have', 422, { status: 'x', media_ids: ['1'] }],
  ['an answer to what is not there', 404, { status: 'x', in_reply_to_id: '1' }],
])('refuses %s', async (_what, status, body) => {
  expect((await post(body)).status).toBe(status);
});

it('counts an address as 23', async () => {
  const link = `https://example.com/${'x'.repeat(600)}`;
  expect((await post({ status: `${'x'.repeat(476)} ${link}` })).status).toBe(200);
  expect((await post({ status: `${'x'.repeat(477)} ${link}` })).status).toBe(422);
});

it('wants a token that is known, and the scope for writing', async () => {
  expect((await post({ status: 'x' }, 'k', 'nobody')).status).toBe(401);
  expect((await post({ status: 'x' }, 'k', 'reader-token')).status).toBe(403);
});

it('attaches a piece of media to one post alone, which the adapter then finds', async () => {
  const film = content('VIDEO', 'A film', [video('v', 3_000_000)]);
  const handle = await adapter.preparer.prepare(user, film, media, context());
  const sent = { sentAfter: clock.now(), sentBefore: clock.now() };
  const receipt = await adapter.publisher.commit(user, film, handle, context());
  const [entry] = await sandbox.ledger('?platform=mastodon');
  expect(entry).toMatchObject({ postType: 'VIDEO', media: [{ bytes: 3_000_000 }] });
  const anew = { ...handle, ids: { ...handle.ids, idempotencyKey: 'another' } };
  const error = await outcomeOf(adapter.publisher.commit(user, film, anew, context()));
  expect([error.code, error.details.sent]).toEqual(['unavailable', true]);
  const query = { content: film, handle, ...sent };
  expect(await adapter.finder.find(user, query, context())).toEqual({ kind: 'found', receipt });
});

it('continues a post as a chain, finds each part, and takes it down', async () => {
  const window = { sentAfter: clock.now(), sentBefore: clock.now() };
  const root = await post({ status: 'One' });
  const part = { text: 'Two & <two>', parentId: root.id!, rootId: root.id! };
  const receipt = await adapter.replier.reply(user, part, context());
  expect(await adapter.replier.reply(user, part, context())).toEqual(receipt);
  const find = () => adapter.replier.findReply!(user, part, window, context());
  expect(await find()).toEqual({ kind: 'found', receipt });
  for (let times = 0; times < 2; times += 1) await adapter.remover.remove(user, receipt.publicId, context());
  expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
});

it('says that media could not be processed', async () => {
  await sandbox.fault({ operation: 'mastodon.media.create', kind: 'failed-processing' });
  const film = content('REEL', 'x', [video('v')]);
  const error = await outcomeOf(adapter.preparer.prepare(user, film, media, context()));
  expect([error.code, error.details.handleIsDead]).toEqual(['rejected', true]);
});
