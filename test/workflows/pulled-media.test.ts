import { createHash, randomUUID } from 'node:crypto';
import { createPicture } from '../../testing/media.ts';
import type { Post } from '../../testing/posts.ts';
import { startWorld, type World } from '../support/world.ts';

/** TikTok fetches pictures itself, from addresses that its application has verified alone: our own. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const verify = (...verifiedAddresses: string[]) =>
  fetch(`${world.sandbox.url}/_control/settings`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ verifiedAddresses }),
  });

async function writeCarousel(): Promise<{ post: Post; hashes: string[] }> {
  const { profiles, media, people, clock } = world.gatepost;
  const profile = await profiles.connect('tiktok');
  const files = [await createPicture(), await createPicture(), await createPicture()];
  const pictures = [];
  for (const bytes of files) pictures.push(await media.picture({ bytes }));
  const body = {
    ...{ type: 'CAROUSEL', copy: `Three ${randomUUID()}`, submit: true, dueAt: clock.in({ hours: 1 }) },
    media: pictures.map(({ mediaId }) => ({ mediaId, altText: null })),
    targets: [{ profileId: profile.id, options: { privacyLevel: 'PUBLIC_TO_EVERYONE' } }],
  };
  const reply = await people.author.send('POST', '/posts', { body });
  expect([reply.status, reply.body.errors]).toEqual([201, undefined]);
  const post = { id: reply.body.id, profiles: [profile] };
  await world.gatepost.posts.approve(post, 'content', 'design', 'publish');
  return { post, hashes: files.map((bytes) => createHash('sha256').update(bytes).digest('hex')) };
}

test('every picture of a carousel is fetched from the interface, each under a token of its own', async () => {
  await verify(`${world.gatepost.url}/media-files/`);
  const { post, hashes } = await writeCarousel();
  expect((await world.gatepost.clock.advanceToDue(post)).status).toBe('PUBLISHED');
  const [entry] = await world.gatepost.ledger.expectOnce(post);
  expect(entry!.media.map(({ sha256 }) => sha256)).toEqual(hashes);
});

test('what TikTok will not fetch from is refused, with its word for it', async () => {
  await verify('https://elsewhere.example/');
  const { post } = await writeCarousel();
  expect((await world.gatepost.clock.advanceToDue(post)).status).toBe('FAILED');
  const [target] = (await world.gatepost.posts.read(post)).targets;
  expect(target!.error).toMatchObject({
    code: 'rejected',
    message: expect.stringContaining('url_ownership_unverified'),
  });
  await world.gatepost.ledger.expectNothing(post);
});
