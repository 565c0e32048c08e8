import { type Response, Router } from 'express';
import type { SandboxContext } from './context.ts';
import { describePost, type LedgerEntry, type LedgerPost } from './ledger.ts';
import { contentTypeOf } from './media.ts';
import { escapeHtml, icon, renderPage } from './page.ts';
import { type Platform, platforms, sandboxPlatforms } from './platforms/index.ts';

const maxCards = 100;
const refreshSeconds = 5;

/** The pages that show what went live, and the pictures in them. */
export function createFeed(context: SandboxContext): Router {
  const feed = Router();
  const describe = (post: Parameters<typeof describePost>[0]) => describePost(post, context.publicUrl);

  feed.get('/', (request, response) => {
    const view = readView(request.query);
    const posts = context.ledger.list({ platform: view.platform }).reverse();
    const cards = posts.slice(0, maxCards).map((post) => renderCard(describe(post), parentOf(context, post)));
    sendPage(response, {
      title: 'Sandbox feed',
      view,
      body: [
        renderFilter(view),
        posts.length === 0 ? renderEmpty(view.platform) : `<div class="cards">\n${cards.join('\n')}\n</div>`,
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
    sendCard(response, context, post);
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

  feed.get('/icon.svg', (_request, response) => {
    response.set('cache-control', 'max-age=86400').type('svg').send(icon);
  });

  /** Where the platforms' permalinks lead. */
  feed.get('/{*path}', (request, response, next) => {
    const address = `${context.publicUrl}${request.originalUrl}`;
    const post = context.ledger.list().find((entry) => describe(entry).permalink === address);
    if (post) sendCard(response, context, post);
    else next();
  });
  return feed;
}

/** Which posts the feed shows, and whether it reloads: who watches a video or reads does not want it to. */
interface View {
  readonly platform: Platform | undefined;
  readonly isStill: boolean;
}

const readView = (query: Record<string, unknown>): View => ({
  platform: readPlatform(query.platform),
  isStill: query.reload === 'off',
});

function readPlatform(value: unknown): Platform | undefined {
  return platforms.find((platform) => platform === value);
}

function addressOf({ platform, isStill }: View): string {
  const query = new URLSearchParams({ ...(platform && { platform }), ...(isStill && { reload: 'off' }) });
  return `/${query.size > 0 ? `?${query}` : ''}`;
}

/** The post that a reply stands below. */
const parentOf = ({ ledger }: SandboxContext, { platform, parentId }: LedgerPost): LedgerPost | undefined =>
  parentId === undefined ? undefined : ledger.findByPublicId(platform, parentId);

function sendCard(response: Response, context: SandboxContext, post: LedgerPost | undefined): void {
  if (post) {
    sendPage(response, {
      title: `${post.accountName} on ${sandboxPlatforms[post.platform].name}`,
      body: renderCard(describePost(post, context.publicUrl), parentOf(context, post)),
    });
  } else {
    response.status(404);
    sendPage(response, { title: 'No such post', body: '<p class="empty">No such post went live here.</p>' });
  }
}

function sendPage(response: Response, page: { title: string; body: string; view?: View }): void {
  const { headers, body } = renderPage({
    ...{ title: page.title, body: page.body },
    refreshSeconds: page.view && !page.view.isStill ? refreshSeconds : undefined,
    header: `<h1><a href="/">Sandbox feed</a></h1>
<p class="quiet">What went live on the sandbox's platforms, newest first.${page.view ? renderReload(page.view) : ''}</p>`,
  });
  response.set(headers).send(body);
}

function renderReload(view: View): string {
  const other = escapeHtml(addressOf({ ...view, isStill: !view.isStill }));
  return view.isStill
    ? ` Stands still. <a href="${other}">Reload every ${refreshSeconds} seconds</a>`
    : ` Reloads every ${refreshSeconds} seconds. <a href="${other}">Stop reloading</a>`;
}

function renderFilter(view: View): string {
  const links = [undefined, ...platforms].map((platform) => {
    const here = platform === view.platform ? ' aria-current="page"' : '';
    const label = platform ? sandboxPlatforms[platform].name : 'All';
    return `<a href="${escapeHtml(addressOf({ ...view, platform }))}"${here}>${label}</a>`;
  });
  return `<nav aria-label="Platforms">${links.join(' ')}</nav>`;
}

function renderEmpty(platform: Platform | undefined): string {
  return `<p class="empty">Nothing has gone live${platform ? ` on ${sandboxPlatforms[platform].name}` : ''} yet.</p>`;
}

function renderCard(entry: LedgerEntry, parent: LedgerPost | undefined): string {
  const pictures = entry.media.map((medium, index) => renderMedium(medium, entry.altTexts[index] ?? ''));
  const code = (text: string) => `<code>${escapeHtml(text)}</code>`;
  const link = (address: string, text: string) => `<a href="${escapeHtml(address)}">${code(text)}</a>`;
  const time = (instant: string) => `<time datetime="${escapeHtml(instant)}">${escapeHtml(instant)}</time>`;
  const { parentId } = entry;
  const facts: [string, string][] = [
    ['Received', time(entry.receivedAt)],
    ...(entry.removedAt ? [['Removed', time(entry.removedAt)] as [string, string]] : []),
    ...(parentId
      ? [
          ['Answers', parent ? link(`/posts/${parent.ledgerId}`, parentId) : code(parentId)] as [
            string,
            string,
          ],
        ]
      : []),
    ['Public id', code(entry.publicId)],
    ['Permalink', link(entry.permalink, entry.permalink)],
    ['Ledger id', link(`/posts/${entry.ledgerId}`, entry.ledgerId)],
  ];
  const badges = [
    `<span class="badge">${sandboxPlatforms[entry.platform].name}</span>`,
    ...(parentId ? ['<span class="badge">reply</span>'] : []),
    ...(entry.removedAt ? ['<span class="badge gone">removed</span>'] : []),
  ];
  return `<article${entry.removedAt ? ' class="removed"' : ''}>
<h2>${badges.join(' ')} ${escapeHtml(entry.accountName)}</h2>
${pictures.length > 0 ? `<div class="pictures">${pictures.join('')}</div>` : ''}
${entry.title ? `<h3 dir="auto">${escapeHtml(entry.title)}</h3>` : ''}
${entry.text === '' ? '' : `<p class="copy" dir="auto">${escapeHtml(entry.text)}</p>`}
<dl>${facts.map(([term, value]) => `<div><dt>${term}</dt><dd>${value}</dd></div>`).join('')}</dl>
</article>`;
}

export function renderMedium({ sha256, contentType }: LedgerEntry['media'][number], altText: string): string {
  const address = `/media/${escapeHtml(sha256)}`;
  return contentType.startsWith('video/')
    ? `<video src="${address}" controls muted playsinline preload="metadata"></video>`
    : `<img src="${address}" alt="${escapeHtml(altText)}" loading="lazy">`;
}
