import pg from 'pg';
import { platformSchema } from '../../api/schemas/platforms.ts';
import { z } from '../../api/zod.ts';
import { platformRules } from '../../domain/platforms/index.ts';
import { platforms, postTypes } from '../../domain/post.ts';
import { listTenantTables } from '../db/catalogue.ts';
import {
  createTestMedia,
  createTestTenant,
  inDays,
  startTestApi,
  type TestApi,
  type TestTenant,
} from './fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let admin: pg.Client;
let wideId: string;

beforeAll(async () => {
  api = await startTestApi();
  tenant = await createTestTenant(api);
  admin = new pg.Client({ connectionString: api.database.superuserUrl });
  await admin.connect();
  wideId = await createTestMedia(api, tenant.tokens.designer, '4000x300');
});
afterAll(async () => {
  await admin.end();
  await api.stop();
});

/** How many rows each table has, and each row's newest version. */
async function written(): Promise<unknown> {
  const counts: Record<string, unknown> = {};
  for (const table of [...(await listTenantTables(admin)), 'tenants'])
    counts[table] = (await admin.query(`select count(*), max(xmin::text::bigint) from ${table}`)).rows[0];
  return counts;
}

const validate = (body: object, token = tenant.tokens.author) =>
  api.send('POST', '/api/v1/posts/validate', { token, body, key: null });
const both = () => [{ profileId: tenant.linkedinId }, { profileId: tenant.instagramId }];

const cases: [string, () => object][] = [
  [
    'a text that is too long for one',
    () => ({ type: 'TEXT_ONLY', copy: 'x'.repeat(3_001), targets: [both()[0]] }),
  ],
  ['types that a platform does not have', () => ({ type: 'TEXT_ONLY', copy: 'Hello', targets: both() })],
  [
    'a picture of another shape',
    () => ({ type: 'SINGLE_IMAGE', media: [{ mediaId: wideId }], targets: both() }),
  ],
  ['too few pictures', () => ({ type: 'CAROUSEL', media: [{ mediaId: wideId }], targets: both() })],
  [
    'an option nobody knows, a title, a first comment',
    () => ({
      type: 'TEXT_ONLY',
      copy: 'Hello',
      targets: [{ ...both()[0], options: { colour: 'red' }, title: 'A title', firstComment: 'First' }],
    }),
  ],
  [
    'profiles and media that are not there',
    () => ({ type: 'SINGLE_IMAGE', media: [{ mediaId: tenant.id }], targets: [{ profileId: tenant.id }] }),
  ],
  [
    'one target twice, a due time that has passed, an assignee who is nobody',
    () => ({
      type: 'TEXT_ONLY',
      copy: 'Hello',
      dueAt: inDays(-1),
      assigneeId: tenant.id,
      targets: [both()[0], both()[0]],
    }),
  ],
  [
    'a text that is missing when it is submitted',
    () => ({ type: 'TEXT_ONLY', targets: [both()[0]], submit: true }),
  ],
];

test.each(cases)('names what creating it would refuse: %s', async (_what, make) => {
  const before = await written();
  const body = make();
  const validated = await validate(body);
  expect([validated.status, validated.body.valid]).toEqual([200, false]);
  expect(await written()).toEqual(before);
  const created = await api.send('POST', '/api/v1/posts', { token: tenant.tokens.author, body });
  expect(created.status).toBe(422);
  expect(validated.body.errors).toEqual(created.body.errors);
});

test('gives limit and actual with each, and the path to the target', async () => {
  const { body } = await validate({
    type: 'TEXT_ONLY',
    copy: 'Hello',
    targets: [{ ...both()[0], copy: 'x'.repeat(3_001) }],
  });
  expect(body.errors).toEqual([
    {
      path: '/targets/0/copy',
      code: 'text-too-long',
      message: expect.stringContaining('linkedin: 3001'),
      limit: 3_000,
      actual: 3_001,
    },
  ]);
});

test('says in words what a field must be, and which one where it is the only one', async () => {
  const long = { copy: 'x'.repeat(20_001), dueAt: 'tomorrow' };
  const wrong = { ...long, type: 'TEXT', media: {}, origin: 7, submit: 'yes', targts: [] };
  const { body } = await validate(wrong);
  expect(body.detail).toBe('8 fields are not valid');
  const said = body.errors.map(({ path, code, message }: Record<string, string>) => [path, code, message]);
  expect(said.sort()).toEqual([
    ['/copy', 'too-big', 'Must have at most 20000 characters'],
    ['/dueAt', 'invalid-format', 'Must be an instant with an offset, e.g. 2026-12-01T09:00:00+01:00'],
    ['/media', 'wrong-type', 'Must be a list'],
    ['/origin', 'not-allowed', 'Must be one of human, ai'],
    ['/submit', 'wrong-type', 'Must be true or false'],
    ['/targets', 'missing', 'Is missing'],
    ['/targts', 'unknown-field', 'There is no such field'],
    ['/type', 'not-allowed', 'Must be one of TEXT_ONLY, SINGLE_IMAGE, CAROUSEL, VIDEO, STORY, REEL'],
  ]);
  const one = await validate({ type: 'TEXT_ONLY', copy: 'Hi', targets: [{ profileId: 'nobody' }] });
  expect(one.body.detail).toBe('/targets/0/profileId: Must be an id (a UUID)');
  const none = await validate({ type: 'TEXT_ONLY', copy: 'Hi', targets: [] });
  expect(none.body.detail).toBe('/targets: Must have at least 1 entries');
});

test('finds nothing wrong with what can be created, and creates nothing', async () => {
  const before = await written();
  const body = { type: 'TEXT_ONLY', copy: 'Hello', targets: [both()[0]], submit: true };
  expect((await validate(body)).body).toEqual({ valid: true, errors: [] });
  expect(await written()).toEqual(before);
  expect(api.runs.started).toEqual([]);
});

test('refuses what is no post at all like creation does, and asks the same of its caller', async () => {
  const malformed = await validate({ type: 'POEM' });
  expect([malformed.status, malformed.body.code]).toEqual([400, 'invalid-request']);
  const viewer = await validate({ type: 'TEXT_ONLY', targets: both() }, tenant.tokens.viewer);
  expect([viewer.status, viewer.body.code]).toEqual([403, 'forbidden']);
});

describe('the table of platforms', () => {
  /** The same schema, with nothing in it that is not described. */
  const strict = (schema: z.ZodType): z.ZodType => {
    if (schema instanceof z.ZodObject)
      return z.strictObject(
        Object.fromEntries(
          Object.entries(schema.shape).map(([name, one]) => [name, strict(one as z.ZodType)]),
        ),
      );
    if (schema instanceof z.ZodOptional) return strict(schema.unwrap() as z.ZodType).optional();
    if (schema instanceof z.ZodNullable) return strict(schema.unwrap() as z.ZodType).nullable();
    if (schema instanceof z.ZodReadonly) return strict(schema.unwrap() as z.ZodType);
    if (schema instanceof z.ZodArray) return z.array(strict(schema.element as z.ZodType));
    if (schema instanceof z.ZodRecord) return z.record(z.string(), strict(schema.valueType as z.ZodType));
    if (schema instanceof z.ZodDiscriminatedUnion || schema instanceof z.ZodUnion)
      return z.union((schema.options as z.ZodType[]).map(strict) as [z.ZodType, z.ZodType]);
    return schema;
  };

  test('is what posts are checked by, every field of it described', async () => {
    const { status, body } = await api.send('GET', '/api/v1/platforms', { token: tenant.tokens.viewer });
    expect(status).toBe(200);
    expect(body.platforms.map((one: { platform: string }) => one.platform)).toEqual([...platforms]);
    for (const one of body.platforms) {
      const { kinds, rates: _, ...rules } = platformRules[one.platform as (typeof platforms)[number]];
      const { platform: _name, accountKinds, ...shown } = one;
      expect(accountKinds).toEqual(kinds);
      expect(shown).toEqual(JSON.parse(JSON.stringify(rules)));
      expect(Object.keys(one.types)).toEqual([...postTypes]);
      expect(strict(platformSchema).safeParse(one).error).toBeUndefined();
    }
    const undescribed = { ...body.platforms[0], colour: 'red' };
    expect(strict(platformSchema).safeParse(undescribed).success).toBe(false);
  });

  test('is for everybody who belongs to a tenant', async () => {
    expect((await api.send('GET', '/api/v1/platforms')).status).toBe(401);
  });
});
