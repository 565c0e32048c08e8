import { control, startWorld, type World } from '../support/world.ts';

/** What an option may hold, asked of the sandbox's Pinterest by the interface. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const list = (profileId: string, query = '', option = 'boardId') =>
  world.gatepost.people.author.send('GET', `/profiles/${profileId}/options/${option}${query}`);
const connect = (platform: 'pinterest' | 'linkedin' = 'pinterest') =>
  world.gatepost.profiles.connect(platform, platform === 'linkedin' ? 'member' : 'user');
const fail = (kind: string, more: object = {}) =>
  control(world, '/faults', { operation: 'pinterest.boards.list', kind, ...more });

test('lists the boards of an account page by page, as a frontend offers them', async () => {
  const { id } = await connect();
  const first = await list(id, '?limit=1');
  expect([first.status, first.body]).toEqual([
    200,
    { items: [{ value: '987654321', label: 'Ideas' }], nextCursor: expect.any(String) },
  ]);
  const second = await list(id, `?limit=1&cursor=${first.body.nextCursor}`);
  expect(second.body).toEqual({ items: [{ value: '549755885175', label: 'Recipes' }], nextCursor: null });
  const wrong = await list(id, '?cursor=bm9uZQ');
  expect([wrong.status, wrong.body.errors[0].code]).toEqual([400, 'invalid-cursor']);
});

test('has nothing for other options, other platforms and other tenants', async () => {
  const [pins, member] = [await connect(), await connect('linkedin')];
  for (const [id, option] of [
    [pins.id, 'link'],
    [pins.id, 'constructor'],
    [member.id, 'boardId'],
    ['0d9b7c1e-9a3f-4a44-8a43-0f4f3ff1d0aa', 'boardId'],
  ] as const) {
    const reply = await list(id, '', option);
    expect([reply.status, reply.body.code]).toEqual([404, 'not-found']);
  }
});

test('says what stands in the way, and never with the token', async () => {
  const { id, token } = await connect();
  await fail('throttle', { retryAfterSeconds: 90 });
  const throttled = await list(id);
  expect([throttled.status, throttled.body.code, throttled.headers.get('retry-after')]).toEqual([
    ...[503, 'unavailable', '90'],
  ]);
  expect(throttled.body.detail).toBe('Pinterest did not list them (rate-limited)');
  await fail('expired-token');
  const refused = await list(id);
  expect([refused.status, refused.body.code]).toEqual([409, 'needs-reconnect']);
  expect(refused.body.detail).toBe('The Pinterest account must be connected again');
  await world.tenant
    .updateTable('profiles')
    .set({ health: 'needs-reconnect' })
    .where('id', '=', id)
    .execute();
  expect((await list(id)).body.code).toBe('needs-reconnect');
  for (const { text } of [throttled, refused]) expect(text).not.toContain(token);
});
