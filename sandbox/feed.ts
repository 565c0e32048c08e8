import { type Response, Router } from 'express';
import type { SandboxContext } from './context.ts';
import { describePost, type LedgerEntry } from './ledger.ts';
import { contentTypeOf } from './media.ts';
import { escapeHtml, renderPage } from './page.ts';
import { type Platform, platforms, sandboxPlatforms } from './platforms/index.ts';

const maxCards = 100;
const refreshSeconds = 5;

/** The pages that show what went live, and the pictures in them. */
export function createFeed(context: SandboxContext): Router {
  const feed = Router();
  const describe = (post: Parameters<typeof describePost>[0]) => describePost(post, context.publicUrl);

  feed.get('/', (request, response) => {
    const platform = readPlatform(request.query.platform);
    const posts = context.ledger.list({ platform }).reverse();
    sendPage(response, {
      title: 'Sandbox feed',
      refresh: true,
      body: [
        renderFilter(platform),
        ...(posts.length === 0 ? [renderEmpty(platform)] : []),
        ...posts.slice(0, maxCards).map((post) => renderCard(describe(post))),
        ...(posts.length > maxCards
          ? [
              `<p class="quiet">The newest ${maxCards} of ${posts.length} posts. All are in <a href="/feed.json">feed.json</a>.</p>`,
            ]
          : []),
      ].join('\n'),
    });
  });

  feed.get('/feed.json', (request, response) => {
    const posts = context.ledger.list({ platform: readPlatform(request.query.platform) }).reverse();
    response.json({ posts: posts.map(describe) });
  });

  feed.get('/posts/:ledgerId', (request, response) => {
    const post = context.ledger.find(request.params.ledgerId);
    sendCard(response, post && describe(post));
  });

  feed.get('/media/:sha256', async (request, response) => {
    const path = await context.media.find(request.params.sha256);
    if (!path) {
      response.status(404).end();
      return;
    }
    response.set({
      'content-type': await contentTypeOf(path),
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=31536000, immutable',
    });
    // In parts where a player asks for them.
    response.sendFile(path, { dotfiles: 'allow', cacheControl: false, lastModified: false });
  });
  /** Where the platforms' permalinks lead. */
  feed.get('/{*path}', (request, response, next) => {
    const address = `${context.publicUrl}${request.originalUrl}`;
    const post = context.ledger.list().find((entry) => describe(entry).permalink === address);
    if (post) sendCard(response, describe(post));
    else next();
  });
  return feed;
}

function readPlatform(value: unknown): Platform | undefined {
  return platforms.find((platform) => platform === value);
}

function sendCard(response: Response, entry: LedgerEntry | undefined): void {
  if (entry) {
    sendPage(response, {
      title: `${entry.accountName} on ${sandboxPlatforms[entry.platform].name}`,
      body: renderCard(entry),
    });
  } else {
    response.status(404);
    sendPage(response, { title: 'No such post', body: '<p class="empty">No such post went live here.</p>' });
  }
}

function sendPage(response: Response, page: { title: string; body: string; refresh?: boolean }): void {
  const reloads = page.refresh ? ` Reloads every ${refreshSeconds} seconds.` : '';
  const { headers, body } = renderPage({
    ...{ title: page.title, body: page.body, refreshSeconds: page.refresh ? refreshSeconds : undefined },
    header: `<h1><a href="/">Sandbox feed</a></h1>
<p class="quiet">What went live on the sandbox's platforms, newest first.${reloads}</p>`,
  });
  response.set(headers).send(body);
}

function renderFilter(current: Platform | undefined): string {
  const links = [undefined, ...platforms].map((platform) => {
    const here = platform === current ? ' aria-current="page"' : '';
    const label = platform ? sandboxPlatforms[platform].name : 'All';
    return `<a href="/${platform ? `?platform=${platform}` : ''}"${here}>${label}</a>`;
  });
  return `<nav>${links.join(' ')}</nav>`;
}

function renderEmpty(platform: Platform | undefined): string {
  return `<p class="empty">Nothing has gone live${platform ? ` on ${sandboxPlatforms[platform].name}` : ''} yet.</p>`;
}

function renderCard(entry: LedgerEntry): string {
  const pictures = entry.media.map((medium, index) => renderMedium(medium, entry.altTexts[index] ?? ''));
  const facts: [string, string][] = [
    ['Received', `<time datetime="${escapeHtml(entry.receivedAt)}">${escapeHtml(entry.receivedAt)}</time>`],
    ...(entry.removedAt ? [['Removed', escapeHtml(entry.removedAt)] as [string, string]] : []),
    ...(entry.parentId
      ? [['Answers', `<code>${escapeHtml(entry.parentId)}</code>`] as [string, string]]
      : []),
    ['Public id', `<code>${escapeHtml(entry.publicId)}</code>`],
    ['Permalink', `<code>${escapeHtml(entry.permalink)}</code>`],
    [
      'Ledger id',
      `<a href="/posts/${escapeHtml(entry.ledgerId)}"><code>${escapeHtml(entry.ledgerId)}</code></a>`,
    ],
  ];
  return `<article${entry.removedAt ? ' class="removed"' : ''}>
<h2><span class="platform">${sandboxPlatforms[entry.platform].name}</span> ${escapeHtml(entry.accountName)}</h2>
${pictures.length > 0 ? `<div class="pictures">${pictures.join('')}</div>` : ''}
${entry.title ? `<h3 dir="auto">${escapeHtml(entry.title)}</h3>` : ''}
${entry.text === '' ? '' : `<p class="copy" dir="auto">${escapeHtml(entry.text)}</p>`}
<dl>${facts.map(([term, value]) => `<div><dt>${term}</dt><dd>${value}</dd></div>`).join('')}</dl>
</article>`;
}

export function renderMedium({ sha256, contentType }: LedgerEntry['media'][number], altText: string): string {
  const address = `/media/${escapeHtml(sha256)}`;
  return contentType.startsWith('video/')
    ? `<video src="${address}" controls preload="metadata"></video>`
    : `<img src="${address}" alt="${escapeHtml(altText)}" loading="lazy">`;
}
