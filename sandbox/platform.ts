import type { SandboxContext } from './context.ts';
import type { FaultKind } from './faults.ts';
import type { LedgerPost } from './ledger.ts';
import type { SandboxOAuth } from './oauth-definition.ts';
import type { PlatformProtocol } from './protocol.ts';

/** What a platform's file exports, and `platforms/index.ts` lists. */
export interface SandboxPlatform {
  /** As its people write it. */
  name: string;
  /** Its kinds of account: what an id looks like, and what a token may do unless it is registered otherwise. */
  kinds: Readonly<Record<string, { id: RegExp; scopes: readonly string[] }>>;
  /** Every call a fault can be scripted for, each beginning with the platform's own name and a dot. */
  operations: readonly string[];
  /** Which of them the faults of processing go with. */
  processing: Readonly<Partial<Record<FaultKind, readonly string[]>>>;
  /** How accounts are connected; left out, tokens are registered by hand. */
  oauth?: SandboxOAuth;
  /** Further ways, by name. */
  logins?: Readonly<Record<string, SandboxOAuth>>;
  /** What the platform's clients show as a post's address. */
  permalinkOf(post: LedgerPost, publicUrl: string): string;
  create(context: SandboxContext): RunningPlatform;
}

/** A platform of one sandbox. */
export interface RunningPlatform extends PlatformProtocol {
  /** Forgets everything but what the ledger holds. */
  clear(): void;
  /** Goes on, after a start, with what was under way. */
  resume?(): void;
}
