import { createClaims } from '../../activities/claims.ts';
import {
  due,
  type Fixture,
  insertPost,
  insertPublication,
  releaseInput,
  startFixture,
} from '../db/fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

/** Claims so many in one turn; answers what each came to, and how many had to wait before writing down their verdicts. */
async function claimMany(count: number) {
  const claims = createClaims(fixture.workerPool);
  const ids: string[] = [];
  while (ids.length < count)
    ids.push(await insertPublication(fixture, await insertPost(fixture), { state: 'ARMED', dueAt: due }));
  let waited = 0;
  const kinds = await Promise.all(
    ids.map(async (id) => {
      const { kind } = await claims.claim(fixture.tenantId, releaseInput(id));
      let isOpen = false;
      const open = claims.untilSent().then(() => {
        isOpen = true;
      });
      // Past every promise that has nothing to wait for.
      await new Promise((resolve) => setImmediate(resolve));
      if (!isOpen) waited += 1;
      await open;
      return kind;
    }),
  );
  return { sending: kinds.filter((kind) => kind === 'sending').length, waited };
}

test('a few that are due at one instant write down at once what came of them', async () => {
  expect(await claimMany(3)).toEqual({ sending: 3, waited: 0 });
});

test('a sender that was thought lost and the one after it claim in one turn, and only the later one sends', async () => {
  const claims = createClaims(fixture.workerPool);
  const id = await insertPublication(fixture, await insertPost(fixture), {
    state: 'ARMED',
    fence: 3,
    dueAt: due,
  });
  const kinds = await Promise.all(
    [1, 2, 3].map(async (fence) => (await claims.claim(fixture.tenantId, releaseInput(id, { fence }))).kind),
  );
  expect(kinds).toEqual(['lost', 'lost', 'sending']);
});

test('the verdicts of many wait until all of them have been sent', async () => {
  expect(await claimMany(120)).toEqual({ sending: 120, waited: 120 });
});
