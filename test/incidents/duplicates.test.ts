import pg from 'pg';
import { createTestTenant, inDays, startTestApi, type TestApi, type TestTenant } from '../api/fixture.ts';

/*
 * The same words twice on the same profile: wanted now and then, and more often a slip. Users of a product like this one
 * ask to be told. https://github.com/gitroomhq/postiz-app/issues/1779
 */

let api: TestApi;
let tenant: TestTenant;
let superuser: pg.Client;

beforeAll(async () => {
  api = await startTestApi();
  tenant = await createTestTenant(api);
  superuser = new pg.Client({ connectionString: api.database.superuserUrl });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await api.stop();
});

const dueAt = inDays(2);
const createPost = (copy: string, more: { key?: string; profileId?: string } = {}) =>
  api.send('POST', '/api/v1/posts', {
    token: tenant.tokens.author,
    key: more.key,
    body: {
      ...{ type: 'TEXT_ONLY', copy, submit: true, dueAt },
      targets: [{ profileId: more.profileId ?? tenant.linkedinId }],
    },
  });
const listed = async (copy: string): Promise<string[]> => {
  const { body } = await api.send('GET', '/api/v1/posts', { token: tenant.tokens.viewer });
  return body.items.flatMap((post: { id: string; copy: string }) => (post.copy === copy ? [post.id] : []));
};

it('takes a request that comes twice for one post', async () => {
  const [first, second] = [
    await createPost('Once', { key: 'one-key' }),
    await createPost('Once', { key: 'one-key' }),
  ];
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(await listed('Once')).toEqual([first.body.id]);
  expect(second.body.id).toBe(first.body.id);
});

it('names the equal post of the same profile in the answer, and refuses nothing: it may be meant', async () => {
  const [first, second] = [await createPost('A slip'), await createPost('A slip')];
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(first.body.possibleDuplicates).toEqual([]);
  expect(second.body.possibleDuplicates).toMatchObject([
    { postId: first.body.id, profileId: tenant.linkedinId },
  ]);
  expect((await listed('A slip')).toSorted()).toEqual([first.body.id, second.body.id].toSorted());
  expect((await createPost('Something else')).body.possibleDuplicates).toEqual([]);
});

it('names one that was written long ago and is still to come', async () => {
  const { body: planned } = await createPost('Planned in spring');
  await superuser.query(`update posts set created_at = created_at - interval '200 days' where id = $1`, [
    planned.id,
  ]);
  const { body: again } = await createPost('Planned in spring');
  expect(again.possibleDuplicates).toMatchObject([{ postId: planned.id }]);
});

it('names none that was written and due long ago: it is said anew', async () => {
  const { body: past } = await createPost('Every spring');
  await superuser.query(
    `update posts set created_at = created_at - interval '200 days', due_at = due_at - interval '200 days'
     where id = $1`,
    [past.id],
  );
  expect((await createPost('Every spring')).body.possibleDuplicates).toEqual([]);
});
