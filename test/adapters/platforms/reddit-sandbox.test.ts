import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import type { PublicContent } from '../../../adapters/platforms/publisher.ts';
import { createReddit } from '../../../adapters/platforms/reddit.ts';
import { sandboxEndpoints } from '../../../adapters/platforms/registry.ts';
import { type Cell, failureOf, openStage, type Stage } from './stage.ts';
import { context } from './support.ts';

/** What the shared suites do not ask of Reddit: comments, changes, removals, a subreddit's rules, and a slow media post. */

const cell = (type: Cell['type']): Cell => ({ platform: 'reddit', kind: 'user', type });
const [text, image, video, gallery] = [
  cell('TEXT_ONLY'),
  cell('SINGLE_IMAGE'),
  cell('VIDEO'),
  cell('CAROUSEL'),
];

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());
afterEach(async () => {
  await stage.control('DELETE', 'faults');
  await stage.control('PATCH', 'settings', { subreddits: {}, listDelayMs: 0 });
});

const adapter = () => stage.adapterOf(text);
const account = () => stage.accountOf(text);
const entriesOf = async (word: string) =>
  (await stage.ledgerOf(text)).filter(({ text: shown, title }) => `${title} ${shown}`.includes(word));
const publish = async (of: Cell, content: PublicContent) =>
  stage.commit(of, content, await stage.prepare(of, content));

it('comments below its post once, and finds the comment where the answer was lost', async () => {
  const { publicId } = await publish(text, stage.contentOf(text, 'with comment'));
  const reply = { text: 'The link is *here*', parentId: publicId, rootId: publicId };
  const sentAfter = new Date();
  await stage.fail(text, { operation: 'reddit.comment.create', kind: 'accept-then-reset' });
  expect(await failureOf(adapter().replier!.reply(account(), reply, context()))).toMatchObject({
    code: 'outcome-unknown',
  });
  const window = { sentAfter, sentBefore: new Date() };
  const found = await adapter().replier!.findReply!(account(), reply, window, context());
  const [entry] = await entriesOf('The link is');
  expect(entry).toMatchObject({ postType: 'REPLY', parentId: publicId });
  expect(found).toEqual({
    kind: 'found',
    receipt: { publicId: entry!.publicId, permalink: entry!.permalink },
  });
});

it('changes the text of a post, and takes it down as often as it is told to', async () => {
  const content = stage.contentOf(text, 'first words');
  const { publicId } = await publish(text, content);
  await adapter().amender!.amend(account(), publicId, { ...content, text: 'second words' }, context());
  const query = { handle: null, sentAfter: new Date(Date.now() - 5_000), sentBefore: new Date() };
  const changed = { ...content, text: 'second words' };
  const find = () => adapter().finder!.find(account(), { ...query, content: changed }, context());
  expect(await find()).toMatchObject({ kind: 'found', receipt: { publicId } });
  for (let times = 0; times < 2; times += 1) await adapter().remover!.remove(account(), publicId, context());
  expect((await entriesOf('first words'))[0]!.removedAt).toEqual(expect.any(String));
  expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
});

it('puts a link where it has not been, and knows its own where it has', async () => {
  const content = stage.contentOf(text, 'link');
  const link = { ...content, options: { ...content.options, url: 'https://example.com/launch?part=1' } };
  const { publicId } = await publish(text, link);
  const failure = await failureOf(publish(text, link));
  expect(failure).toMatchObject({
    code: 'rejected',
    details: { platformCode: 'ALREADY_SUB', existingPublicId: publicId },
  });
  const other = { ...link, title: 'Something else' };
  expect((await failureOf(publish(text, other)))!.details.existingPublicId).toBeUndefined();
});

const rules: [string, Cell, Record<string, unknown>, RegExp][] = [
  ['is not there', text, { isMissing: true }, /no r\/gatepost on Reddit/],
  ['takes text alone', image, { about: { submission_type: 'self' } }, /text posts alone/],
  ['takes no text', text, { about: { submission_type: 'link' } }, /no text posts/],
  ['has banned the account', text, { about: { user_is_banned: true } }, /is banned there/],
  ['takes no pictures', image, { about: { allow_images: false } }, /no pictures/],
  ['takes no videos', video, { about: { allow_videos: false } }, /no videos/],
  ['takes no galleries', gallery, { about: { allow_galleries: false } }, /no galleries/],
  ['bounds titles', text, { requirements: { title_text_max_length: 5 } }, /at most 5 are allowed/],
  ['takes no bodies', text, { requirements: { body_restriction_policy: 'notAllowed' } }, /may have no text/],
  ['bounds galleries', gallery, { requirements: { gallery_max_items: 2 } }, /at most 2 pictures/],
];
it.each(rules)(
  'fails before it is due where the subreddit %s, as Reddit would',
  async (what, of, rule, reason) => {
    const content = stage.contentOf(of, what);
    const handle = await stage.prepare(of, content);
    await stage.control('PATCH', 'settings', { subreddits: { GatePost: rule } });
    const early = await failureOf(stage.prepare(of, content));
    expect(early).toMatchObject({ code: 'rejected', message: expect.stringMatching(reason) });
    expect(await failureOf(stage.commit(of, content, handle))).toMatchObject({ code: 'rejected' });
    expect(await entriesOf(what)).toEqual([]);
  },
);

it('fails without the flair that a subreddit asks for', async () => {
  const content = { ...stage.contentOf(text, 'bare'), options: { subreddit: 'gatepost' } };
  await stage.control('PATCH', 'settings', {
    subreddits: { gatepost: { requirements: { is_flair_required: true } } },
  });
  expect((await failureOf(stage.prepare(text, content)))!.message).toMatch(/needs a flair/);
  expect((await failureOf(stage.commit(text, content, null)))!.details.platformCode).toBe(
    'SUBMIT_VALIDATION_FLAIR_REQUIRED',
  );
});

it('leaves a media post that takes longer than the commit to the finder, and sends it once', async () => {
  const { permalink } = await publish(text, stage.contentOf(text, 'where'));
  const patient = createReddit({
    ...sandboxEndpoints(new URL(permalink!).origin).reddit,
    timings: { pollIntervalMs: 10, commitTimeoutMs: 200, settleMs: 2_000 },
    fetch: createPlatformFetch(),
  }).user;
  const content = stage.contentOf(video, 'slow film');
  const handle = await stage.prepare(video, content);
  await stage.fail(video, {
    ...{ operation: 'reddit.video.submit', kind: 'slow-upload-processing', ms: 600 },
  });
  const sentAfter = new Date();
  const commit = { ...context(), media: stage.media };
  const failure = await failureOf(patient.publisher.commit(account(), content, handle, commit));
  expect(failure).toMatchObject({ code: 'outcome-unknown' });
  const kinds: string[] = [];
  while (kinds.at(-1) !== 'found' && kinds.length < 100) {
    const query = { content, handle, sentAfter, sentBefore: new Date() };
    kinds.push((await patient.finder.find(account(), query, context())).kind);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect([...new Set(kinds)]).toEqual(['pending', 'found']);
  expect(await entriesOf('slow film')).toHaveLength(1);
});

it('never shows a media post whose processing failed, and says that nobody knows', async () => {
  const content = stage.contentOf(image, 'broken picture');
  await stage.fail(image, { operation: 'reddit.image.submit', kind: 'failed-processing' });
  const failure = await failureOf(publish(image, content));
  expect(failure).toMatchObject({ code: 'outcome-unknown' });
  expect(await entriesOf('broken picture')).toEqual([]);
});

it('sends uploads without the token and under its own name', async () => {
  await stage.prepare(image, stage.contentOf(image, 'upload'));
  const { requests } = (await stage.control('GET', 'requests?operation=reddit.asset.upload')) as {
    requests: { headers: Record<string, string>; path: string; answered: { status: number } }[];
  };
  const last = requests.at(-1)!;
  expect(last).toMatchObject({ path: '/reddit/uploads/media', answered: { status: 201 } });
  expect(last.headers.authorization).toBeUndefined();
  expect(last.headers['user-agent']).toMatch(/^web:gatepost:/);
});
