import { randomUUID } from 'node:crypto';
import { postWorkflowId } from '../../workflows/ids.ts';
import {
  type ConnectedProfile,
  expectStatus,
  type Live,
  type LiveApi,
  type LiveTenant,
  type Reply,
  startLive,
  waitForEvent,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;
let profile: ConnectedProfile;
let other: LiveApi;

beforeAll(async () => {
  live = await startLive();
  other = await live.startApi();
  tenant = await live.createTenant();
  profile = await tenant.connect();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

const bodyOf = (copy: string) => ({
  type: 'TEXT_ONLY',
  copy,
  targets: [{ profileId: profile.id }],
  submit: true,
});
const create = (key: string, copy: string, apiUrl = live.api.url): Promise<Reply> =>
  tenant.author.send('POST', '/posts', { body: bodyOf(copy), key, apiUrl });
const runsOf = (postId: string) => live.query('select run_id from post_runs where post_id = $1', [postId]);
const postsWith = async (copy: string): Promise<{ id: string }[]> =>
  (await tenant.viewer.send('GET', `/posts?text=${encodeURIComponent(copy)}`)).body.items;

test.each([1, 2, 3, 4])(
  'fifty equal requests at once over two processes make one post and one run (round %i)',
  async () => {
    const key = randomUUID();
    const copy = `Once ${randomUUID()}`;
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => create(key, copy, [live.api.url, other.url][index % 2])),
    );
    const done = replies.filter((reply) => reply.status === 201);
    const running = replies.filter((reply) => reply.status !== 201);
    expect(done.length).toBeGreaterThan(0);
    for (const { status, body, headers } of running) {
      expect([status, body.code]).toEqual([409, 'request-in-progress']);
      expect(headers.get('retry-after')).toBe('1');
    }
    expect(new Set(done.map((reply) => reply.text)).size).toBe(1);
    const id: string = done[0]!.body.id;
    expect((await postsWith(copy)).map((post) => post.id)).toEqual([id]);

    const later = await create(key, copy, other.url);
    expect([later.status, later.text]).toEqual([201, done[0]!.text]);
    expect(later.headers.get('idempotency-replayed')).toBe('true');
    await waitForEvent(tenant.viewer, id, 'gate.opened');
    expect(await runsOf(id)).toHaveLength(1);
    const { events } = await live.temporal.workflow.getHandle(postWorkflowId(tenant.id, id)).fetchHistory();
    expect(events!.filter((event) => event.workflowExecutionStartedEventAttributes)).toHaveLength(1);
  },
);

test('a key that was used with another body is refused, and a missing one too', async () => {
  const key = randomUUID();
  const [first, second] = [`First ${randomUUID()}`, `Second ${randomUUID()}`];
  expectStatus(await create(key, first), 201);
  const reused = await create(key, second, other.url);
  expect([reused.status, reused.body.code]).toEqual([422, 'idempotency-key-reused']);
  expect(await postsWith(second)).toEqual([]);
  const keyless = await tenant.author.send('POST', '/posts', { body: bodyOf(second), key: null });
  expect([keyless.status, keyless.body.code]).toEqual([400, 'idempotency-key-missing']);
  expect(await postsWith(second)).toEqual([]);
});

test('a key belongs to one person, one route and one tenant', async () => {
  const key = randomUUID();
  const copy = `Mine ${randomUUID()}`;
  const mine = expectStatus(await create(key, copy), 201);
  const theirs = expectStatus(await tenant.reviewer.send('POST', '/posts', { body: bodyOf(copy), key }), 201);
  expect(theirs.body.id).not.toBe(mine.body.id);
  const withdrawn = await tenant.author.send('POST', `/posts/${mine.body.id}/withdraw`, { key });
  expectStatus(withdrawn, 200);
  const elsewhere = await live.createTenant();
  const theirProfile = await elsewhere.connect();
  const body = { ...bodyOf(copy), targets: [{ profileId: theirProfile.id }] };
  const foreign = expectStatus(await elsewhere.author.send('POST', '/posts', { body, key }), 201);
  expect(foreign.body.id).not.toBe(mine.body.id);
});

test('a process that was lost between the effect and its record leaves one effect when the request comes again', async () => {
  const key = randomUUID();
  const copy = `Lost ${randomUUID()}`;
  const first = expectStatus(await create(key, copy), 201);
  await live.query(
    `update idempotency_keys set status = null, response = null, claimed_until = now() - interval '1 second'
     where tenant_id = $1 and key = $2`,
    [tenant.id, key],
  );
  const again = expectStatus(await create(key, copy, other.url), 201);
  expect(again.body.id).toBe(first.body.id);
  expect(await postsWith(copy)).toHaveLength(1);
  await waitForEvent(tenant.viewer, first.body.id, 'gate.opened');
  expect(await runsOf(first.body.id)).toHaveLength(1);
});

test('keeps its answers sealed', async () => {
  const key = randomUUID();
  const copy = `Sealed ${randomUUID()}`;
  expectStatus(await create(key, copy), 201);
  const [row] = await live.query<{ response: Buffer }>(
    'select response from idempotency_keys where tenant_id = $1 and key = $2',
    [tenant.id, key],
  );
  expect(row!.response.length).toBeGreaterThan(copy.length);
  expect(row!.response.includes(copy)).toBe(false);
});
