import { randomBytes } from 'node:crypto';

export interface Page {
  readonly title: string;
  /** What stands above the page's own part, as HTML. */
  readonly header: string;
  readonly body: string;
  readonly refreshSeconds?: number | undefined;
  /** Where forms may lead (default nowhere), as the policy for contents has it. */
  readonly formAction?: string;
}

/** A page that a person sees: no script, nothing from elsewhere, never kept. */
export function renderPage(page: Page): { headers: Record<string, string>; body: string } {
  const { title, header, refreshSeconds, formAction = "'none'" } = page;
  const nonce = randomBytes(16).toString('base64');
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; img-src 'self'; media-src 'self'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action ${formAction}; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  };
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${refreshSeconds === undefined ? '' : `<meta http-equiv="refresh" content="${refreshSeconds}">`}
<link rel="icon" href="/icon.svg">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${css}</style>
</head>
<body>
<header>${header}</header>
<main>
${page.body}
</main>
</body>
</html>
`;
  return { headers, body };
}

/** What a tab shows; without one, browsers ask for another in vain. */
export const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0a58ca"/><path d="M4 5h8M4 8h8M4 11h5" stroke="#fff" stroke-width="1.5" stroke-linecap="round"/></svg>';

export function escapeHtml(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

const css = `
:root { --ground: #f3f4f6; --card: #fff; --ink: #16191d; --quiet: #59616b; --line: #d7dbe0; --link: #0a58ca; --gone: #a4262c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --card: #1e2226; --ink: #e8eaed; --quiet: #a2abb5; --line: #363c43; --link: #8ab4f8; --gone: #f1a2a6; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 44rem; padding: 1.5rem 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h1 { margin: 0; font-size: 1.4rem; }
h1 a { color: inherit; text-decoration: none; }
h2 { margin: 0 0 .75rem; font-size: 1.05rem; overflow-wrap: anywhere; }
h3 { margin: .75rem 0 0; font-size: 1rem; overflow-wrap: anywhere; }
header p { margin: .25rem 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0 0 1rem; }
nav [aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
.quiet, dl { color: var(--quiet); font-size: .875rem; }
.empty { padding: 3rem 1rem; border: 1px dashed var(--line); border-radius: .5rem; text-align: center; color: var(--quiet); }
body:has(.cards) { max-width: 86rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem; align-items: start; }
article { padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
article.removed .pictures { opacity: .45; }
article.removed .copy, article.removed h3 { text-decoration: line-through; color: var(--quiet); }
.badge { padding: .1rem .45rem; border: 1px solid var(--line); border-radius: .25rem; font-size: .8rem; font-weight: 500; }
.badge.gone { border-color: currentColor; color: var(--gone); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(8rem, 100%), 1fr)); gap: .5rem; }
.pictures img, .pictures video { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .25rem; background: var(--ground); }
.copy { margin: .75rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { margin: .75rem 0 0; padding: .75rem 0 0; border-top: 1px solid var(--line); }
dl div { display: flex; gap: .75rem; }
dt { flex: 0 0 5rem; }
dd { margin: 0; overflow-wrap: anywhere; }
fieldset { margin: 0 0 1rem; padding: .75rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
legend { padding: 0 .35rem; font-weight: 600; }
fieldset ul { margin: 0; padding: 0; list-style: none; }
fieldset label { display: flex; gap: .6rem; align-items: baseline; padding: .3rem 0; overflow-wrap: anywhere; }
small { display: block; color: var(--quiet); }
button { padding: .5rem 1.1rem; border: 1px solid var(--line); border-radius: .35rem; background: var(--card); color: inherit; font: inherit; cursor: pointer; }
button[value="allow"] { border-color: var(--link); background: var(--link); color: var(--card); }
`;
