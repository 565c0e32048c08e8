import { wallClockAt } from '../../domain/wall-clock.ts';
import {
  createTestMedia,
  createTestTenant,
  inDays,
  type Reply,
  startTestApi,
  type TestApi,
  type TestTenant,
} from './fixture.ts';

let api: TestApi;
let tenant: TestTenant;

beforeAll(async () => {
  api = await startTestApi();
  tenant = await createTestTenant(api);
});
afterAll(() => api.stop());

const dueTimeZone = 'Europe/Berlin';
const year = new Date().getUTCFullYear() + 1;
/** The clocks change there on the last Sundays of March and October, at 01:00 UTC. */
const lastSunday = (month: number): string => {
  const last = new Date(Date.UTC(year, month, 0));
  last.setUTCDate(last.getUTCDate() - last.getUTCDay());
  return last.toISOString().slice(0, 10);
};
const [spring, autumn] = [lastSunday(3), lastSunday(10)];
const summerDay = `${year}-07-01`;

const create = (more: object, token = tenant.tokens.author): Promise<Reply> =>
  api.send('POST', '/api/v1/posts', {
    token,
    body: { type: 'TEXT_ONLY', copy: 'Hello', targets: [{ profileId: tenant.linkedinId }], ...more },
  });
const read = async (id: string) =>
  (await api.send('GET', `/api/v1/posts/${id}`, { token: tenant.tokens.viewer })).body;
const patch = async (id: string, body: object): Promise<Reply> => {
  const { headers } = await api.send('GET', `/api/v1/posts/${id}`, { token: tenant.tokens.author });
  return api.send('PATCH', `/api/v1/posts/${id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': headers.get('etag')! },
    body,
  });
};
const command = (id: string, verb: string, body?: object): Promise<Reply> =>
  api.send('POST', `/api/v1/posts/${id}/${verb}`, { token: tenant.tokens.manager, body });
const dueOf = ({ dueAt, dueLocal, dueTimeZone: zone }: Record<string, unknown>) => [dueAt, dueLocal, zone];
const errorsOf = ({ body }: Reply) =>
  body.errors.map(({ path, code }: { path: string; code: string }) => `${path} ${code}`);

/** Two targets, so that one of them can have a due time of its own. */
const pictureFor = async (targets: object[], more: object = {}) =>
  create({
    type: 'SINGLE_IMAGE',
    media: [{ mediaId: await createTestMedia(api, tenant.tokens.designer), altText: 'A tulip' }],
    targets,
    ...more,
  });

describe('a due time by the clocks of a place', () => {
  it.each<[string, object, string, string]>([
    ['once', { dueLocal: `${summerDay}T09:00` }, `${summerDay}T07:00:00.000Z`, 'exact'],
    ['once, with seconds', { dueLocal: `${summerDay}T09:00:30` }, `${summerDay}T07:00:30.000Z`, 'exact'],
    ['never: it is as much later', { dueLocal: `${spring}T02:30` }, `${spring}T01:30:00.000Z`, 'gap'],
    ['twice: the first counts', { dueLocal: `${autumn}T02:30` }, `${autumn}T00:30:00.000Z`, 'overlap'],
    [
      'twice, of which the caller means the first',
      { dueLocal: `${autumn}T02:30`, dueAt: `${autumn}T02:30:00+02:00` },
      `${autumn}T00:30:00.000Z`,
      'overlap',
    ],
    [
      'twice, of which the caller means the second',
      { dueLocal: `${autumn}T02:30`, dueAt: `${autumn}T02:30:00+01:00` },
      `${autumn}T01:30:00.000Z`,
      'overlap',
    ],
    [
      'never, said with the instant it comes to',
      { dueLocal: `${spring}T02:30`, dueAt: `${spring}T03:30:00+02:00` },
      `${spring}T01:30:00.000Z`,
      'gap',
    ],
  ])('that they show %s', async (_what, due, dueAt, dueFit) => {
    const { dueLocal } = due as { dueLocal: string };
    const created = await create({ ...due, dueTimeZone });
    expect(created.status).toBe(201);
    expect(dueOf(created.body)).toEqual([dueAt, dueLocal, dueTimeZone]);
    expect(created.body.dueFit).toBe(dueFit);
    // The same words mean the same wherever they are said.
    const { body: other } = await create({});
    expect((await command(other.id, 'schedule', { ...due, dueTimeZone })).status).toBe(200);
    expect(dueOf(await read(other.id))).toEqual([dueAt, dueLocal, dueTimeZone]);
    const { body: third } = await create({});
    expect((await patch(third.id, { ...due, dueTimeZone })).status).toBe(200);
    expect(dueOf(await read(third.id))).toEqual([dueAt, dueLocal, dueTimeZone]);
    const { body: fourth } = await create({
      targets: [{ profileId: tenant.linkedinId, ...due, dueTimeZone }],
    });
    expect(dueOf(fourth)).toEqual([null, null, null]);
    expect(dueOf(fourth.targets[0])).toEqual([dueAt, dueLocal, dueTimeZone]);
  });

  it('is an instant alone where no place is named', async () => {
    const dueAt = inDays(3);
    const { body } = await create({ dueAt });
    expect([...dueOf(body), body.dueFit]).toEqual([dueAt, null, null, null]);
  });
});

const dueLocal = `${summerDay}T09:00`;
/** What a due time may not say, and what is said of it, wherever it stands. */
const wrong: [string, object, string][] = [
  ['a wall clock without its zone', { dueLocal }, 'dueLocal incomplete-due-time'],
  ['a zone without its wall clock', { dueAt: inDays(2), dueTimeZone }, 'dueLocal incomplete-due-time'],
  [
    'two that disagree',
    { dueLocal, dueTimeZone, dueAt: `${summerDay}T09:00:00Z` },
    'dueLocal due-times-disagree',
  ],
  [
    'two that disagree by a second',
    { dueLocal, dueTimeZone, dueAt: `${summerDay}T07:00:01Z` },
    'dueLocal due-times-disagree',
  ],
  [
    'the second of two where there is one',
    { dueLocal, dueTimeZone, dueAt: `${summerDay}T08:00:00Z` },
    'dueLocal due-times-disagree',
  ],
  ['a wall clock with an offset', { dueLocal: `${dueLocal}+02:00`, dueTimeZone }, 'dueLocal offset-given'],
  ['a day that is in no calendar', { dueLocal: `${year}-02-30T09:00`, dueTimeZone }, 'dueLocal no-such-date'],
  ['a time that no clock shows', { dueLocal: `${summerDay}T24:00`, dueTimeZone }, 'dueLocal no-such-time'],
  ['words', { dueLocal: 'tomorrow', dueTimeZone }, 'dueLocal not-a-wall-clock'],
  ['a place that is none', { dueLocal, dueTimeZone: 'Mars/Olympus' }, 'dueTimeZone unknown-time-zone'],
  ['an offset for a place', { dueLocal, dueTimeZone: '+02:00' }, 'dueTimeZone unknown-time-zone'],
];

describe('a due time that says nothing, or two things', () => {
  it.each(wrong)('%s is refused, wherever it stands', async (_what, due, expected) => {
    const { body: post } = await create({});
    const targetId = post.targets[0].id;
    const places: [string, Promise<Reply>][] = [
      ['/', create(due)],
      ['/targets/0/', create({ targets: [{ profileId: tenant.linkedinId, ...due }] })],
      ['/', patch(post.id, due)],
      ['/', command(post.id, 'schedule', due)],
      ['/targets/0/', command(post.id, 'schedule', { targets: [{ targetId, ...due }] })],
    ];
    for (const [prefix, sent] of places) {
      const reply = await sent;
      expect([reply.status, reply.body.code]).toEqual([400, 'invalid-request']);
      expect(errorsOf(reply)).toEqual([`${prefix}${expected}`]);
    }
    expect(dueOf(await read(post.id))).toEqual([null, null, null]);
  });

  it.each<[string, (targetId: string) => object, string]>([
    ['nothing at all', () => ({}), '/dueAt nothing-to-change'],
    [
      'a target, and nothing of it',
      (targetId) => ({ targets: [{ targetId }] }),
      '/targets incomplete-due-time',
    ],
    [
      'a target twice',
      (targetId) => ({
        targets: [
          { targetId, dueAt: inDays(1) },
          { targetId, dueAt: inDays(2) },
        ],
      }),
      '/targets duplicate-target',
    ],
    [
      'no more due time, but a wall clock',
      (targetId) => ({ targets: [{ targetId, dueAt: null, dueLocal, dueTimeZone }] }),
      '/targets/0/dueLocal due-times-disagree',
    ],
  ])('scheduling %s is refused', async (_what, bodyOf, expected) => {
    const { body: post } = await create({});
    const reply = await command(post.id, 'schedule', bodyOf(post.targets[0].id));
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid-request']);
    expect(errorsOf(reply)).toEqual([expected]);
  });

  it('one that has passed, or lies too far, is named with its place', async () => {
    const { body: post } = await create({});
    const target = (dueAt: string) => ({ targets: [{ targetId: post.targets[0].id, dueAt }] });
    const cases = [
      [await command(post.id, 'schedule', { dueAt: inDays(-1) }), 'due-time-passed', '/dueAt'],
      [await command(post.id, 'schedule', target(inDays(-1))), 'due-time-passed', '/targets/0/dueAt'],
      [await command(post.id, 'schedule', target(inDays(5_000))), 'invalid-post', '/targets/0/dueAt'],
      [
        await create({ targets: [{ profileId: tenant.linkedinId, dueAt: inDays(-1) }] }),
        'due-time-passed',
        '/targets/0/dueAt',
      ],
    ] as const;
    for (const [reply, code, path] of cases) {
      expect([reply.status, reply.body.code]).toEqual([422, code]);
      expect(reply.body.errors).toMatchObject([{ path }]);
    }
  });
});

describe('scheduling single targets', () => {
  const both = () => [{ profileId: tenant.linkedinId }, { profileId: tenant.instagramId }];

  it('lets the list find a post by the due time of any of its targets', async () => {
    const [linkedin, instagram] = both();
    const { body: post } = await pictureFor([linkedin!, { ...instagram!, dueAt: inDays(703) }], {
      dueAt: inDays(701),
    });
    const listed = async (from: number, to?: number) => {
      const query = `dueFrom=${inDays(from)}${to ? `&dueTo=${inDays(to)}` : ''}`;
      const { body } = await api.send('GET', `/api/v1/posts?${query}`, { token: tenant.tokens.viewer });
      return body.items.some(({ id }: { id: string }) => id === post.id);
    };
    expect(await listed(700, 702)).toBe(true);
    expect(await listed(702, 704)).toBe(true);
    expect(await listed(702)).toBe(true);
    expect([await listed(704), await listed(701.5, 702.5), await listed(600, 700)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it.each([false, true])('of a post that is submitted: %s', async (submit) => {
    const { body: post } = await pictureFor(both(), { submit, dueAt: inDays(9) });
    const [first, second] = post.targets.map(({ id }: { id: string }) => id);
    const own = { dueLocal, dueTimeZone };
    const one = await command(post.id, 'schedule', { targets: [{ targetId: second, ...own }] });
    expect(one.status).toBe(200);
    const scheduled = await read(post.id);
    expect(dueOf(scheduled)).toEqual([post.dueAt, null, null]);
    expect(scheduled.targets.map(dueOf)).toEqual([
      [null, null, null],
      [`${summerDay}T07:00:00.000Z`, dueLocal, dueTimeZone],
    ]);
    const dueAt = inDays(4);
    const targets = [
      { targetId: first, dueAt },
      { targetId: second, dueAt: null },
    ];
    expect((await command(post.id, 'schedule', { ...own, targets })).status).toBe(200);
    const again = await read(post.id);
    expect(dueOf(again)).toEqual([`${summerDay}T07:00:00.000Z`, dueLocal, dueTimeZone]);
    expect(again.targets.map(dueOf)).toEqual([
      [dueAt, null, null],
      [null, null, null],
    ]);
  });

  it('refuses a target that is not of the post, and changes none', async () => {
    for (const submit of [false, true]) {
      const { body: post } = await pictureFor(both(), { submit });
      const { body: other } = await create({});
      const reply = await command(post.id, 'schedule', {
        targets: [
          { targetId: post.targets[0].id, dueAt: inDays(1) },
          { targetId: other.targets[0].id, dueAt: inDays(1) },
        ],
      });
      expect([reply.status, reply.body.code]).toEqual([422, 'unknown-target']);
      expect((await read(post.id)).targets[0].dueAt).toBeNull();
    }
  });

  it('comes with the post’s creation and its edits as a draft, and is fixed to a command after that', async () => {
    const [linkedin, instagram] = both();
    const { body: post } = await pictureFor([{ ...linkedin, dueAt: inDays(2) }, instagram!]);
    const edited = await patch(post.id, { targets: [linkedin, { ...instagram, dueLocal, dueTimeZone }] });
    expect(edited.status).toBe(200);
    expect((await read(post.id)).targets.map(dueOf)).toEqual([
      [null, null, null],
      [`${summerDay}T07:00:00.000Z`, dueLocal, dueTimeZone],
    ]);
    await command(post.id, 'submit');
    const late = await patch(post.id, { targets: [{ ...linkedin, dueAt: inDays(3) }, instagram] });
    expect([late.status, late.body.code]).toEqual([422, 'invalid-post']);
    expect(late.body.errors).toMatchObject([{ path: '/targets/0/dueAt', code: 'not-editable' }]);
    const [run] = api.runs.commands.slice(-1);
    expect(run?.kind).not.toBe('edit');
  });
});

describe('the wall clock of a post', () => {
  it('goes with its instant when the post is published now', async () => {
    const { body: post } = await create({ submit: true, dueLocal, dueTimeZone });
    const { hashes } = post.revision;
    await command(post.id, 'decisions', { gate: 'content', verdict: 'approve', hash: hashes.content });
    expect((await read(post.id)).dueLocal).toBe(dueLocal);
    expect((await command(post.id, 'publish-now', { hash: hashes.publish })).status).toBe(200);
    const published = await read(post.id);
    expect([published.dueLocal, published.dueTimeZone, published.dueFit]).toEqual([null, null, null]);
    expect(Date.parse(published.dueAt)).toBeLessThanOrEqual(Date.now());
  });

  it('is set and taken away by scheduling', async () => {
    const { body: post } = await create({ submit: true });
    await command(post.id, 'schedule', { dueLocal, dueTimeZone });
    expect(dueOf(await read(post.id))).toEqual([`${summerDay}T07:00:00.000Z`, dueLocal, dueTimeZone]);
    const dueAt = inDays(5);
    await command(post.id, 'schedule', { dueAt });
    expect(dueOf(await read(post.id))).toEqual([dueAt, null, null]);
    const elsewhere = {
      dueTimeZone: 'Asia/Tokyo',
      dueLocal: wallClockAt(Date.parse(`${summerDay}T07:00:00Z`), 'Asia/Tokyo'),
    };
    await command(post.id, 'schedule', elsewhere);
    expect(dueOf(await read(post.id))).toEqual([
      `${summerDay}T07:00:00.000Z`,
      elsewhere.dueLocal,
      'Asia/Tokyo',
    ]);
  });
});

describe('a withdrawn post', () => {
  it('is scheduled like the draft it is: its edits stay, and its run learns of both with the submission', async () => {
    const { body: post } = await create({ submit: true, dueAt: inDays(2) });
    await command(post.id, 'withdraw');
    expect((await patch(post.id, { copy: 'Second thoughts' })).status).toBe(200);
    const before = api.runs.commands.length;
    const targets = [{ targetId: post.targets[0].id, dueAt: inDays(7) }];
    const scheduled = await command(post.id, 'schedule', { dueLocal, dueTimeZone, targets });
    expect([scheduled.status, scheduled.body.post.status]).toEqual([200, 'DRAFT']);
    expect(api.runs.commands).toHaveLength(before);
    const draft = await read(post.id);
    expect(draft.revision).toMatchObject({ number: 2, copy: 'Second thoughts' });
    expect(dueOf(draft)).toEqual([`${summerDay}T07:00:00.000Z`, dueLocal, dueTimeZone]);
    expect((await command(post.id, 'submit')).body.post.status).toBe('IN_REVIEW');
    const submitted = await read(post.id);
    expect(submitted.revision).toMatchObject({ number: 2, copy: 'Second thoughts' });
    expect(dueOf(submitted)).toEqual(dueOf(draft));
    expect(submitted.targets.map(dueOf)).toEqual(draft.targets.map(dueOf));
    expect(api.runs.commands.at(-1)).toMatchObject({
      ...{ kind: 'submit', dueAtMs: Date.parse(`${summerDay}T07:00:00Z`) },
      ...{ targets: [{ targetId: targets[0]!.targetId, dueAtMs: Date.parse(targets[0]!.dueAt) }] },
    });
  });

  it('keeps its edits when it is resumed or cancelled, or when a hold is placed on it', async () => {
    const { body: post } = await create({ submit: true });
    await command(post.id, 'pause', {});
    await command(post.id, 'withdraw');
    await patch(post.id, { copy: 'Second thoughts' });
    expect((await command(post.id, 'resume')).status).toBe(200);
    await api.send('POST', '/api/v1/holds', {
      token: tenant.tokens.admin,
      body: { scope: 'profile', profileId: tenant.linkedinId, reason: 'Storm' },
    });
    await api.runs.refresh(post.id);
    expect((await read(post.id)).revision.copy).toBe('Second thoughts');
    await command(post.id, 'cancel', {});
    expect(await read(post.id)).toMatchObject({
      ...{ status: 'CANCELLED', revision: { number: 2, copy: 'Second thoughts' } },
    });
  });
});

describe('types of single targets', () => {
  const picture = async () => ({
    mediaId: await createTestMedia(api, tenant.tokens.designer),
    altText: 'A tulip',
  });

  it('are shown with their targets, and are no revision’s business where they are the post’s own', async () => {
    const { body: post } = await create({
      type: 'CAROUSEL',
      media: [await picture(), await picture()],
      targets: [
        { profileId: tenant.instagramId, type: 'CAROUSEL' },
        { profileId: tenant.linkedinId, type: 'SINGLE_IMAGE' },
      ],
    });
    expect(post.targets.map(({ type }: { type: string }) => type)).toEqual(['CAROUSEL', 'SINGLE_IMAGE']);
    expect(post.revision.targets.map(({ type }: { type?: string }) => type)).toEqual([
      undefined,
      'SINGLE_IMAGE',
    ]);
    const plain = { profileId: tenant.instagramId };
    const same = { profileId: tenant.linkedinId, type: 'SINGLE_IMAGE' };
    expect((await patch(post.id, { targets: [plain, same] })).status).toBe(200);
    expect((await read(post.id)).revision).toMatchObject({ number: 1, hashes: post.revision.hashes });
  });

  it('are told to the run, and cannot be changed once it has them', async () => {
    const targets = [
      { profileId: tenant.instagramId },
      { profileId: tenant.linkedinId, type: 'TEXT_ONLY', copy: 'Words alone' },
    ];
    const { body: post } = await pictureFor(targets, { submit: true });
    expect(post.targets.map(({ type }: { type: string }) => type)).toEqual(['SINGLE_IMAGE', 'TEXT_ONLY']);
    expect(post.blockedOn.map(({ code }: { code: string }) => code)).toEqual(['gate', 'due-time']);
    const changed = await patch(post.id, { targets: [targets[0], { ...targets[1], type: 'SINGLE_IMAGE' }] });
    expect([changed.status, changed.body.code]).toEqual([409, 'targets-fixed']);
    const worded = await patch(post.id, { targets: [targets[0], { ...targets[1], copy: 'Other words' }] });
    expect(worded.status).toBe(200);
  });

  it.each<[string, () => object, string]>([
    [
      'a picture of a text post',
      () => ({ targets: [{ profileId: tenant.linkedinId, type: 'SINGLE_IMAGE' }] }),
      '/targets/0/type visual-target',
    ],
    [
      'a text on Instagram',
      () => ({ type: 'SINGLE_IMAGE', targets: [{ profileId: tenant.instagramId, type: 'TEXT_ONLY' }] }),
      '/targets/0/type post-type-unsupported',
    ],
    [
      'a text without words',
      () => ({
        ...{ type: 'SINGLE_IMAGE', copy: '', submit: true },
        targets: [{ profileId: tenant.instagramId }, { profileId: tenant.linkedinId, type: 'TEXT_ONLY' }],
      }),
      '/copy text-missing',
    ],
  ])('refuse %s', async (_what, moreOf, expected) => {
    const reply = await create(moreOf());
    expect([reply.status, reply.body.code]).toEqual([422, 'invalid-post']);
    expect(errorsOf(reply)).toEqual([expected]);
  });

  it('need no media of their own beyond what they show', async () => {
    // What Instagram would refuse as the second picture of a carousel does not matter to a single one.
    const media = [
      await picture(),
      { mediaId: await createTestMedia(api, tenant.tokens.designer, '400x2000') },
    ];
    const targets = (type?: string) => [{ profileId: tenant.instagramId, ...(type && { type }) }];
    const narrow = await create({ type: 'CAROUSEL', media, targets: targets() });
    expect(errorsOf(narrow)).toEqual(['/media/1 aspect-ratio']);
    expect((await create({ type: 'CAROUSEL', media, targets: targets('SINGLE_IMAGE') })).status).toBe(201);
  });
});
