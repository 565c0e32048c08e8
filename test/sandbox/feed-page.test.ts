import type { Browser, Locator } from 'playwright-core';
import type { Receipt } from '../../adapters/platforms/publisher.ts';
import type { Platform } from '../../domain/post.ts';
import type { LedgerEntry } from '../../sandbox/ledger.ts';
import { sandboxPlatforms } from '../../sandbox/platforms/index.ts';
import {
  browserTimeoutMs,
  narrow,
  openBrowser,
  openPage,
  scrollsSideways,
  seenText,
  type WatchedPage,
} from '../support/browser.ts';
import { type SandboxProcess, startSandboxProcess } from '../support/sandbox-process.ts';
import { openShopWindow, type ShopWindow, type ShownPost, shownPosts } from '../support/shop-window.ts';

/** The feed as a person sees it: in a browser, of the sandbox's own process, with posts that the adapters sent. */

let sandbox: SandboxProcess;
let window: ShopWindow;
let browser: Browser;
let watched: WatchedPage;
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandboxProcess(), openBrowser()]);
  window = await openShopWindow(sandbox.url);
}, browserTimeoutMs);
afterAll(async () => {
  await browser?.close();
  await window?.stop();
  await sandbox?.stop();
});
beforeEach(async () => {
  watched = await openPage(browser);
});
afterEach(async () => {
  await watched.close();
  expect(watched.problems).toEqual([]);
});

const still = '/?reload=off';
const open = (path: string, { page } = watched) => page.goto(sandbox.url + path);
const empty = () => fetch(`${sandbox.url}/_control/state`, { method: 'DELETE' });
const postOf = (platform: Platform): ShownPost => shownPosts.find((post) => post.platform === platform)!;

async function entryOf(platform: Platform, { publicId }: Receipt): Promise<LedgerEntry> {
  const answer = await fetch(`${sandbox.url}/feed.json?platform=${platform}`);
  const { posts } = (await answer.json()) as { posts: LedgerEntry[] };
  return posts.find((post) => post.publicId === publicId)!;
}

const cardOf = ({ ledgerId }: LedgerEntry, { page } = watched): Locator =>
  page.locator('article', { has: page.locator(`a[href="/posts/${ledgerId}"]`) });
const factOf = (card: Locator, term: string): Locator =>
  card.locator('dl > div').filter({ hasText: term }).locator('dd');

/** The width that was decoded: 0 of a picture that did not come. Brings it into view, as whoever looks at it does. */
async function loadedWidth(picture: Locator): Promise<number> {
  await picture.scrollIntoViewIfNeeded();
  return picture.evaluate(
    (element: unknown) =>
      new Promise<number>((resolve) => {
        const image = element as {
          complete: boolean;
          naturalWidth: number;
          onload: () => void;
          onerror: () => void;
        };
        const tell = () => resolve(image.naturalWidth);
        if (image.complete) tell();
        else Object.assign(image, { onload: tell, onerror: tell });
      }),
  );
}

describe('the feed before anything has gone live', () => {
  it('says so, also for one platform', async () => {
    await empty();
    await open(still);
    expect(await seenText(watched.page.locator('main'))).toContain('Nothing has gone live yet.');
    await watched.page.getByRole('link', { name: 'TikTok' }).click();
    expect(await seenText(watched.page.locator('main'))).toContain('Nothing has gone live on TikTok yet.');
  });

  it('shows a post by itself within seconds, where it is not told to stand still', async () => {
    await empty();
    await open('/');
    expect(await watched.page.locator('article').count()).toBe(0);
    await window.show(postOf('threads'));
    await watched.page.locator('article').waitFor({ timeout: 10_000 });
    await watched.page.getByRole('link', { name: 'Stop reloading' }).click();
    expect(await watched.page.locator('meta[http-equiv=refresh]').count()).toBe(0);
    await watched.page.getByRole('link', { name: 'Reload every 5 seconds' }).click();
    expect(await watched.page.locator('meta[http-equiv=refresh]').count()).toBe(1);
  });
});

describe('the feed with a post of each platform', () => {
  const receipts = new Map<Platform, Receipt>();
  const entry = (platform: Platform) => entryOf(platform, receipts.get(platform)!);
  beforeAll(async () => {
    await empty();
    for (const post of shownPosts) receipts.set(post.platform, await window.show(post));
  });

  it('has one of every platform', () => {
    expect([...receipts.keys()].sort()).toEqual(Object.keys(sandboxPlatforms).sort());
  });

  it.each(shownPosts.map((post) => [post.platform, post] as const))(
    'shows the account, copy, pictures, ledger id and permalink of %s',
    async (platform, post) => {
      await open(still);
      const shown = await entry(platform);
      const card = cardOf(shown);
      expect(await seenText(card.locator('h2'))).toBe(`${sandboxPlatforms[platform].name} ${post.name}`);
      expect(await card.locator('.copy').allInnerTexts()).toEqual(post.text === '' ? [] : [post.text]);
      expect(await card.locator('h3').allInnerTexts()).toEqual(post.title === undefined ? [] : [post.title]);
      expect(await seenText(factOf(card, 'Ledger id'))).toBe(shown.ledgerId);
      const media = card.locator('.pictures > *');
      expect(await media.count()).toBe(post.files.length);
      for (const picture of await card.locator('img').all())
        expect(await loadedWidth(picture)).toBeGreaterThan(0);
      await factOf(card, 'Permalink').getByRole('link').click();
      expect(watched.page.url()).toBe(shown.permalink);
      expect(await seenText(factOf(watched.page.locator('article'), 'Ledger id'))).toBe(shown.ledgerId);
    },
  );

  it.each(['tiktok', 'youtube'] as const)('plays the video of %s, without sound', async (platform) => {
    await open(still);
    const video = cardOf(await entry(platform)).locator('video');
    await video.scrollIntoViewIfNeeded();
    const seconds = await video.evaluate(async (element: unknown) => {
      const film = element as { play: () => Promise<void>; videoWidth: number; currentTime: number };
      await film.play();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return film.videoWidth > 0 ? film.currentTime : 0;
    });
    expect(seconds).toBeGreaterThan(0);
    expect(await video.evaluate((element: unknown) => (element as { muted: boolean }).muted)).toBe(true);
  });

  it('shows every picture of a carousel, in order and with what it says', async () => {
    await open(still);
    const pictures = await cardOf(await entry('instagram'))
      .locator('img')
      .all();
    const seen = await Promise.all(pictures.map((picture) => picture.getAttribute('alt')));
    expect(seen).toEqual(postOf('instagram').files.map(({ altText }) => altText));
    const { media } = await entry('instagram');
    const addresses = await Promise.all(pictures.map((picture) => picture.getAttribute('src')));
    expect(addresses).toEqual(media.map(({ sha256 }) => `/media/${sha256}`));
  });

  it('shows a first comment below nothing else, and leads to what it answers', async () => {
    const parent = await entry('instagram');
    const receipt = await window.answer(postOf('instagram'), parent, 'The recipe card is at the counter.');
    await open(still);
    const card = cardOf(await entryOf('instagram', receipt));
    expect(await seenText(card.locator('h2'))).toBe('Instagram reply morrowandpine');
    expect(await seenText(card.locator('.copy'))).toBe('The recipe card is at the counter.');
    await factOf(card, 'Answers').getByRole('link').click();
    expect(watched.page.url()).toBe(parent.feedUrl);
    expect(await watched.page.locator('article img').count()).toBe(4);
  });

  it('says of what was taken down that it was, and still shows it', async () => {
    const post = { ...postOf('linkedin'), text: 'Open on Sunday. No: Saturday.' };
    const receipt = await window.show(post);
    await open(still);
    const card = cardOf(await entryOf('linkedin', receipt));
    expect(await card.locator('.badge.gone').count()).toBe(0);
    await window.takeDown(post, receipt);
    await open(still);
    expect(await seenText(card.locator('h2'))).toBe('LinkedIn removed Morrow & Pine');
    expect(await seenText(factOf(card, 'Removed'))).toMatch(/^20\d\d-\d\d-\d\dT/);
    expect(await seenText(card.locator('.copy'))).toBe(post.text);
  });

  it('shows one platform alone when it is chosen, and all again', async () => {
    await open(still);
    const headings = () => watched.page.locator('h2').allInnerTexts();
    const before = await headings();
    await watched.page.getByRole('link', { name: 'Pinterest' }).click();
    expect(await headings()).toEqual(['Pinterest Morrow & Pine']);
    expect(await seenText(watched.page.locator('nav [aria-current]'))).toBe('Pinterest');
    await watched.page.getByRole('link', { name: 'All', exact: true }).click();
    expect(await headings()).toEqual(before);
    expect(before.length).toBeGreaterThanOrEqual(shownPosts.length);
  });

  it.each(['light', 'dark'] as const)('fits a telephone of 390 pixels, %s', async (colorScheme) => {
    const phone = await openPage(browser, { viewport: narrow, colorScheme });
    await open(still, phone);
    expect(await scrollsSideways(phone.page)).toBe(false);
    const widths = await phone.page
      .locator('article')
      .evaluateAll((cards: { clientWidth: number }[]) => cards.map(({ clientWidth }) => clientWidth));
    expect(Math.min(...widths)).toBeGreaterThan(300);
    await phone.close();
    expect(phone.problems).toEqual([]);
  });
});

describe('the feed with copy that means harm', () => {
  const harm =
    '<script>window.harmed = 1</script> <img src=x onerror="window.harmed = 2"> "><svg onload=window.harmed=3> </p></article><h1>Taken over</h1> &lt;b&gt; {{7*7}} javascript:window.harmed=4';

  it.each([
    ['threads', { type: 'TEXT_ONLY', files: [], text: harm }],
    ['linkedin', { type: 'TEXT_ONLY', files: [], text: harm, name: '<b onclick=window.harmed=5>Ada</b>' }],
    ['reddit', { title: harm.slice(0, 290) }],
    ['mastodon', { files: [{ file: 'roasted-tuesday.png', altText: `"><script>${harm}</script>` }] }],
  ] as const)('shows it as text on %s', async (platform, change) => {
    await empty();
    const post: ShownPost = { ...postOf(platform), ...change };
    const receipt = await window.show(post);
    await open(still);
    const card = cardOf(await entryOf(platform, receipt));
    expect(await card.locator('.copy').allInnerTexts()).toEqual(post.text === '' ? [] : [post.text]);
    expect(await card.locator('h3').allInnerTexts()).toEqual(post.title === undefined ? [] : [post.title]);
    expect(await seenText(card.locator('h2'))).toBe(`${sandboxPlatforms[platform].name} ${post.name}`);
    if (platform === 'mastodon')
      expect(await card.locator('img').getAttribute('alt')).toBe(post.files[0]!.altText);
    expect(await watched.page.locator('script, svg, article h1, article b').count()).toBe(0);
    expect(await watched.page.evaluate('window.harmed')).toBeUndefined();
  });
});

describe('the feed with many posts', () => {
  it('shows the newest hundred, says so, and breaks what is too long for a telephone', async () => {
    await empty();
    const post = { ...postOf('mastodon'), type: 'TEXT_ONLY', files: [] } as const;
    for (let number = 1; number <= 105; number += 1)
      await window.show({ ...post, text: `Number ${number} ${'long'.repeat(number)}` });
    const phone = await openPage(browser, { viewport: narrow });
    await open(still, phone);
    const texts = await phone.page.locator('.copy').allInnerTexts();
    expect(texts.map((text) => Number(text.split(' ')[1]))).toEqual(
      Array.from({ length: 100 }, (_, index) => 105 - index),
    );
    expect(await seenText(phone.page.locator('main'))).toContain('The newest 100 of 105 posts.');
    expect(await scrollsSideways(phone.page)).toBe(false);
    await phone.close();
    expect(phone.problems).toEqual([]);
  });
});
