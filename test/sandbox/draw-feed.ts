/**
 * Draws the sandbox's feed with a post of every platform, as the documents show it.
 *
 *   npm run feed-picture -- [--out docs/images/sandbox-feed.png]
 *
 * A sandbox of its own is started and stopped. Ends with 1 when something could not be shown, or the picture is too large.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import sharp from 'sharp';
import { openBrowser, openPage } from '../support/browser.ts';
import { startSandboxProcess } from '../support/sandbox-process.ts';
import { openShopWindow, type ShopWindow, shownPosts } from '../support/shop-window.ts';

const maxBytes = 300_000;
const width = 1_400;
const root = fileURLToPath(new URL('../../', import.meta.url));
const { out } = new Command('npm run feed-picture --')
  .description("draws the sandbox's feed with a post of every platform")
  .option('--out <file>', 'where to write it', join(root, 'docs/images/sandbox-feed.png'))
  .parse(process.argv)
  .opts<{ out: string }>();

const picture = await drawFeed();
if (picture.length > maxBytes)
  throw new Error(`The picture has ${picture.length} bytes, at most ${maxBytes}`);
await mkdir(dirname(out), { recursive: true });
await writeFile(out, picture);
console.log(`${out}: ${picture.length} bytes`);

async function drawFeed(): Promise<Buffer> {
  const sandbox = await startSandboxProcess();
  const stops = [sandbox.stop];
  try {
    const window = await openShopWindow(sandbox.url);
    stops.push(window.stop);
    await fill(window);
    const browser = await openBrowser();
    stops.push(() => browser.close());
    const { page, problems } = await openPage(browser, {
      viewport: { width, height: 900 },
      colorScheme: 'light',
    });
    await page.goto(`${sandbox.url}/?reload=off`);
    for (const medium of await page.locator('.pictures > *').all()) {
      await medium.scrollIntoViewIfNeeded();
      await medium.evaluate(whenShown, undefined, { timeout: 10_000 });
    }
    await page.evaluate('scrollTo(0, 0)');
    const drawn = await page.screenshot({ fullPage: true });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return await sharp(drawn).png({ palette: true, colours: 128, effort: 10 }).toBuffer();
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** The posts in their order, a first comment, and one that was taken down again. */
async function fill(window: ShopWindow): Promise<void> {
  for (const post of shownPosts) {
    const receipt = await window.show(post);
    if (post.platform === 'instagram')
      await window.answer(post, receipt, 'The recipe card is at the counter, and free.');
    if (post.platform === 'x') {
      const mistaken = { ...post, type: 'TEXT_ONLY', files: [], text: 'Open on Sunday from ten.' } as const;
      await window.takeDown(mistaken, await window.show(mistaken));
    }
  }
}

/** Runs in the page: settles when a picture, or the first of a video, is there to be seen. */
function whenShown(element: unknown): Promise<void> {
  const medium = element as {
    decode?: () => Promise<void>;
    readyState: number;
    preload: string;
    load: () => void;
    oncanplaythrough: () => void;
  };
  if (medium.decode) return medium.decode();
  return new Promise((resolve) => {
    medium.oncanplaythrough = () => resolve();
    medium.preload = 'auto';
    medium.load();
  });
}
