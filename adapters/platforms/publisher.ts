import type { AccountKind, Platform, PostType } from '../../domain/post.ts';

/** The account a call acts for. The token is decrypted for this call alone and goes only to hosts of the adapter's list. */
export interface Account {
  readonly platform: Platform;
  readonly kind: AccountKind;
  /** The platform's own id: `urn:li:person:…`, `urn:li:organization:…`, an Instagram user id. */
  readonly externalId: string;
  readonly accessToken: string;
}

/** One piece of media of an approved revision. */
export interface MediaItem {
  readonly mediaId: string;
  readonly sha256: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly width: number;
  readonly height: number;
  readonly altText: string | null;
}

/** What one target of one approved revision says, in the order it will be shown. */
export interface PublicContent {
  readonly type: PostType;
  readonly text: string;
  readonly media: readonly MediaItem[];
}

/** How an adapter reaches the bytes of an approved picture: by address (the platform fetches) or as a stream (we send). */
export interface MediaAccess {
  /** A GET address the platform can fetch without credentials, alive for at least `livesForSeconds`. */
  url(item: MediaItem, livesForSeconds: number): Promise<string>;
  bytes(item: MediaItem): Promise<Uint8Array>;
}

/** What `prepare` made at the platform, invisible to the public. Plain JSON without secrets: it is stored in a row. */
export interface PreparedHandle {
  /** The ids the commit needs, e.g. `{ containerId }` or `{ imageUrns: [...] }`. */
  readonly ids: Readonly<Record<string, string | readonly string[]>>;
  /** After this instant (ISO 8601) the platform drops it; `null` when it does not expire. */
  readonly expiresAt: string | null;
}

export interface Receipt {
  /** The platform's id of what went public. */
  readonly publicId: string;
  /** `null` until `confirm` has learnt it. */
  readonly permalink: string | null;
}

export interface CallContext {
  readonly signal: AbortSignal;
  /** Tells the caller that a slow step is alive, with a short description. */
  readonly progress: (description: string) => void;
}

/**
 * The one call that makes a post public, and what reads back its address. Every platform has these two.
 *
 * `commit` runs at most once per fence of a publication row. It throws an `OutcomeError`; anything else it throws is
 * taken as outcome unknown. `confirm` may run any number of times.
 */
export interface Publisher {
  readonly platform: Platform;
  readonly kinds: readonly AccountKind[];
  /** Hard total time-out of `commit` in milliseconds. */
  readonly commitTimeoutMs: number;
  readonly commit: (
    account: Account,
    content: PublicContent,
    handle: PreparedHandle | null,
    context: CallContext,
  ) => Promise<Receipt>;
  readonly confirm: (account: Account, publicId: string, context: CallContext) => Promise<Receipt>;
}

/** Optional capability: uploads and containers before the commit. Repeatable; what it leaves behind is invisible. */
export interface Preparer {
  readonly prepare: (
    account: Account,
    content: PublicContent,
    media: MediaAccess,
    context: CallContext,
  ) => Promise<PreparedHandle>;
}

export interface FindQuery {
  readonly content: PublicContent;
  readonly handle: PreparedHandle | null;
  /** The window in which the commit may have landed. */
  readonly sentAfter: Date;
  readonly sentBefore: Date;
}

/**
 * - `found`: the commit took effect
 * - `absent` by `single-use-handle`: the handle is still unused, committing the same handle again cannot double
 * - `absent` by `read`: one read saw nothing; two of them after the settle time are proof
 * - `cannot-tell`: the answer allows neither
 */
export type FindResult =
  | { readonly kind: 'found'; readonly receipt: Receipt }
  | { readonly kind: 'absent'; readonly proof: 'single-use-handle' | 'read'; readonly handleIsDead?: boolean }
  | { readonly kind: 'cannot-tell'; readonly reason: string };

/** Optional capability: did a commit take effect? A platform that cannot be read back does not have it. */
export interface Finder {
  /** How long after a commit the platform's reads may still not show it, in milliseconds. */
  readonly settleMs: number;
  readonly find: (account: Account, query: FindQuery, context: CallContext) => Promise<FindResult>;
}

/** What the registry holds for one platform and account kind. */
export interface PlatformAdapter {
  readonly publisher: Publisher;
  readonly preparer?: Preparer;
  readonly finder?: Finder;
}
