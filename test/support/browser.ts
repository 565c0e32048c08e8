import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { provideChromium } from '../../cli/stack/provision/chromium.ts';

/** For the hook that opens a browser: on a fresh machine Chromium is installed first. */
export const browserTimeoutMs = 12 * 60_000;
const launchTimeoutMs = 30_000;
/** Every wait for a page ends after this. */
const pageTimeoutMs = 10_000;

/**
 * A headless Chromium with a profile of its own, which ends with it. May be asked for by several suites at once: an
 * installation is made by one of them.
 */
export async function openBrowser(): Promise<Browser> {
  const { executablePath } = await provideChromium({
    cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)),
    report: (line) => void process.stderr.write(`${line}\n`),
    env: process.env,
  });
  return chromium.launch({
    executablePath,
    headless: true,
    timeout: launchTimeoutMs,
    args: [
      // Root, as in a container, cannot have Chromium's own sandbox; it is shown no page but ours.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface WatchedPage {
  readonly page: Page;
  /** What a person would find in the browser's console: errors, warnings, and whatever could not be loaded. */
  readonly problems: readonly string[];
  readonly close: () => Promise<void>;
}

export const wide = { width: 1280, height: 900 };
export const narrow = { width: 390, height: 844 };

/** A page that keeps what went wrong in it; without cookies or cache of others. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: wide, ...options });
  context.setDefaultTimeout(pageTimeoutMs);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // What the browser itself gives up: a page that is left, a video of which it has enough.
    if (reason !== 'net::ERR_ABORTED') problems.push(`${request.method()} ${request.url()}: ${reason}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
  });
  return { page, problems, close: () => context.close() };
}

/** The text that is seen there, not what is hidden. */
export const seenText = async (part: Locator): Promise<string> => (await part.allInnerTexts()).join('\n');

/** Whether something is wider than the window. */
export async function scrollsSideways(page: Page): Promise<boolean> {
  const root = 'document.documentElement';
  return page.evaluate<boolean>(`${root}.scrollWidth > ${root}.clientWidth`);
}
