import type { Account } from './accounts.ts';
import { escapeHtml, renderPage } from './page.ts';
import { type Platform, sandboxPlatforms } from './platforms/index.ts';

export interface ConsentPage {
  platform: Platform;
  clientId: string;
  scopes: readonly string[];
  accounts: readonly Account[];
  /** Where the form goes: the address it was shown at. */
  action: string;
}

/** The page on which a person allows a client something, less than it asks for, or nothing. No script, no picture. */
export function renderConsent({ platform, clientId, scopes, accounts, action }: ConsentPage): {
  headers: Record<string, string>;
  body: string;
} {
  const { name } = sandboxPlatforms[platform];
  const choice = (field: string, value: string, label: string) =>
    `<li><label><input type="checkbox" name="${field}" value="${escapeHtml(value)}" checked> <span>${label}</span></label></li>`;
  const offered =
    accounts.length === 0
      ? '<p>The sandbox has no account here. Register one at <code>/_control/accounts</code>.</p>'
      : `<ul>${accounts
          .map((account) =>
            choice(
              'account',
              account.externalId,
              `${escapeHtml(account.name)} <small>${escapeHtml(account.kind)} ${escapeHtml(account.externalId)}</small>`,
            ),
          )
          .join('')}</ul>`;
  return renderPage({
    title: `Allow ${clientId}? - ${name} (sandbox)`,
    header: `<h1>${escapeHtml(name)} (sandbox)</h1>`,
    // Where the form leads on to is the client's affair, and browsers count redirects.
    formAction: '*',
    body: `<p>The application <code>${escapeHtml(clientId)}</code> asks to act for your accounts.</p>
<form method="post" action="${escapeHtml(action)}">
<fieldset><legend>Accounts</legend>
${offered}
</fieldset>
<fieldset><legend>What it may do</legend>
<ul>${scopes.map((scope) => choice('scope', scope, `<code>${escapeHtml(scope)}</code>`)).join('')}</ul>
</fieldset>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="cancel">Cancel</button></p>
</form>`,
  });
}

/** In place of the page, where the browser cannot be sent back with an error either. */
export const renderNoClient = () =>
  renderPage({
    title: 'Nobody asks',
    header: '<h1>Nobody asks</h1>',
    body: '<p class="empty">The address has no client or no redirect URI.</p>',
  });
