import type { Account } from './accounts.ts';
import type { InstagramContainer } from './instagram.ts';
import type { Journal } from './journal.ts';
import type { LinkedInImage } from './linkedin.ts';
import type { Settings } from './settings.ts';

/** What the sandbox keeps besides the ledger. Each record replaces an earlier one of the same kind and id. */
export type StateRecord =
  | { kind: 'account'; account: Account }
  | { kind: 'settings'; settings: Settings }
  | { kind: 'linkedin-image'; image: LinkedInImage }
  | { kind: 'instagram-container'; container: InstagramContainer };

/** The journal of `state.jsonl`. */
export type StateJournal = Journal<StateRecord>;
