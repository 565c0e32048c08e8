import { AssertionError } from 'node:assert';
import { type Gatepost, type Post, type Profile, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/*
 * The ledger's expectations must bite: a sender of no workflow goes past everything and posts to the platform itself.
 */

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost();
});
afterAll(async () => {
  await gatepost.stop();
});

async function newPost(copy?: string): Promise<{ post: Post; page: Profile; text: string }> {
  const page = await gatepost.profiles.connect('linkedin');
  const dueAt = gatepost.clock.in({ days: 1 });
  const post = await gatepost.posts.create({ copy, profiles: [page], dueAt });
  return { post, page, text: (await gatepost.posts.read(post)).revision.copy };
}

async function published() {
  const made = await newPost();
  await gatepost.posts.approve(made.post, 'content', 'publish');
  await gatepost.clock.advanceToDue(made.post);
  return made;
}

/** Posts with the account's own token; the variant keeps LinkedIn from seeing a duplicate. */
async function sendPastEverything(page: Profile, text: string, variant = true): Promise<void> {
  const response = await fetch(`${gatepost.platforms.url}/linkedin/rest/posts`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${page.token}`,
      'linkedin-version': '202609',
      'x-restli-protocol-version': '2.0.0',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      ...{ author: page.externalId, commentary: text, visibility: 'PUBLIC', lifecycleState: 'PUBLISHED' },
      distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
      isReshareDisabledByAuthor: variant,
    }),
  });
  if (response.status !== 201) throw new Error(`The platform refused: ${await response.text()}`);
}

const messageOf = async (expectation: () => Promise<unknown>): Promise<string> => {
  const error = await expectation().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AssertionError);
  return (error as AssertionError).message;
};

test('answers what went out when it is what was to go out', async () => {
  const { post, text } = await published();
  const { ledger } = gatepost;
  expect(await ledger.expectOnce(post)).toMatchObject([{ text }]);
  expect(await ledger.expectAtMostOnce(post)).toMatchObject([{ text }]);
  expect(await ledger.expectOnTime(post)).toMatchObject([{ text }]);
});

test('says that the ledger has nothing, and what the post waits for', async () => {
  const { post } = await newPost();
  const { ledger } = gatepost;
  expect(await ledger.expectAtMostOnce(post)).toEqual([]);
  await ledger.expectNothing(post);
  for (const missing of [() => ledger.expectOnce(post), () => ledger.expectOnTime(post)]) {
    const message = await messageOf(missing);
    expect(message).toContain('But the ledger has no entry for it.');
    expect(message).toContain('IN_REVIEW');
    expect(message).toContain('waits for gate:content, until-due');
  }
});

test('finds the second of two', async () => {
  const { post, page, text } = await published();
  await sendPastEverything(page, text);
  for (const twice of [
    () => gatepost.ledger.expectOnce(post),
    () => gatepost.ledger.expectAtMostOnce(post),
  ]) {
    const message = await messageOf(twice);
    expect(message).toContain('the ledger has 2 entries for it');
    expect(message.match(/approved: "A post/g)).toHaveLength(2);
  }
  expect(await messageOf(() => gatepost.ledger.expectNothing(post))).toContain('2 entries');
});

test('finds words that no post says', async () => {
  const { post, page } = await published();
  await sendPastEverything(page, 'Nobody wrote this');
  const message = await messageOf(() => gatepost.ledger.expectOnce(post));
  expect(message).toContain('NOT APPROVED (no post says this): "Nobody wrote this"');
});

test("does not take the account's other posts for this one's", async () => {
  const { post, page } = await published();
  const other = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ days: 1 }) });
  await gatepost.posts.approve(other, 'content', 'publish');
  await gatepost.clock.advanceToDue(other);
  expect(await gatepost.ledger.entries(page)).toHaveLength(2);
  await gatepost.ledger.expectOnce(post);
  await gatepost.ledger.expectOnce(other);
});

describe('finds what had not been approved', () => {
  const expectUnapproved = async (post: Post, reason: string) => {
    for (const expectation of [
      () => gatepost.ledger.expectOnce(post),
      () => gatepost.ledger.expectAtMostOnce(post),
    ]) {
      const message = await messageOf(expectation);
      expect(message).toContain('But it was not what had been approved');
      expect(message).toContain(reason);
    }
  };

  test('a post that nobody has decided on', async () => {
    const { post, page, text } = await newPost();
    await sendPastEverything(page, text);
    await expectUnapproved(post, 'revision 1 had not passed the content gate');
  });

  test('a post whose last gate is open', async () => {
    const { post, page, text } = await newPost();
    await gatepost.posts.approve(post, 'content');
    await sendPastEverything(page, text);
    await expectUnapproved(post, 'revision 1 had not passed the publish gate');
  });

  test('an approval that was taken back', async () => {
    const { post, page, text } = await newPost();
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.posts.reject(post, 'publish');
    await sendPastEverything(page, text);
    await expectUnapproved(post, 'revision 1 had not passed the publish gate');
  });

  test('an edit of what was approved', async () => {
    const { post, page } = await newPost();
    await gatepost.posts.approve(post, 'content', 'publish');
    await gatepost.posts.edit(post, { copy: 'Said otherwise' });
    await sendPastEverything(page, 'Said otherwise');
    await expectUnapproved(post, 'revision 2 had not passed the content gate');
  });

  test('an approval that came too late', async () => {
    const { post, page, text } = await newPost();
    await sendPastEverything(page, text);
    await gatepost.clock.advance({ minutes: 1 });
    await gatepost.posts.approve(post, 'content', 'publish');
    await expectUnapproved(post, 'revision 1 had not passed the content gate');
  });
});

test('finds what was early', async () => {
  const { post, page, text } = await newPost();
  await gatepost.posts.approve(post, 'content', 'publish');
  await gatepost.clock.advance({ hours: 20 });
  await sendPastEverything(page, text);
  const early = [
    () => gatepost.ledger.expectOnce(post),
    () => gatepost.ledger.expectAtMostOnce(post),
    () => gatepost.ledger.expectOnTime(post),
  ];
  for (const expectation of early) expect(await messageOf(expectation)).toContain('But it was early');
});

test('finds what was late, and lets it be as late as it is told', async () => {
  const { post, page, text } = await newPost();
  await gatepost.posts.approve(post, 'content', 'publish');
  await gatepost.platforms.fail('linkedin.posts.create', 'throttle', {
    profile: page,
    retryAfterSeconds: 7_200,
  });
  const { blockedOn } = await gatepost.clock.advanceToDue(post);
  expect(blockedOn).toMatchObject([{ code: 'rate' }]);
  await gatepost.ledger.expectNothing(post);
  await gatepost.clock.advance({ hours: 2 });
  const late = [() => gatepost.ledger.expectOnce(post), () => gatepost.ledger.expectOnTime(post)];
  for (const expectation of late) expect(await messageOf(expectation)).toContain('But it was late');
  expect(await gatepost.ledger.expectOnce(post, { lateBy: { hours: 3 } })).toMatchObject([{ text }]);
});

test('counts every target by itself', async () => {
  const [page, account] = [
    await gatepost.profiles.connect('linkedin'),
    await gatepost.profiles.connect('instagram'),
  ];
  const media = [await gatepost.media.picture(), await gatepost.media.picture()];
  const profiles = [{ profile: page, copy: 'For colleagues' }, account];
  const dueAt = gatepost.clock.in({ days: 1 });
  const post = await gatepost.posts.create({ copy: 'For everybody', profiles, media, dueAt });
  await gatepost.posts.approve(post, 'content', 'design', 'publish');
  await gatepost.clock.advanceToDue(post);
  const entries = await gatepost.ledger.expectOnce(post);
  expect(entries.map(({ platform, text }) => [platform, text])).toEqual([
    ['linkedin', 'For colleagues'],
    ['instagram', 'For everybody'],
  ]);
  await sendPastEverything(page, 'For colleagues');
  expect(await messageOf(() => gatepost.ledger.expectOnce(post))).toContain('no post says this');
});
