import type { OutcomeError } from '../../domain/outcome.ts';
import type { TargetOptions } from '../../domain/platform-rules.ts';
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
  /** Of a video. */
  readonly durationSeconds?: number;
  /** The picture shown before a video plays. */
  readonly cover?: Omit<MediaItem, 'cover'>;
}

/** What one target of one approved revision says, in the order it will be shown. */
export interface PublicContent {
  readonly type: PostType;
  readonly text: string;
  readonly media: readonly MediaItem[];
  readonly title?: string;
  /** By the names and kinds of the platform's rules, already checked against them. */
  readonly options?: TargetOptions;
}

/** How an adapter reaches the bytes of approved media: by address (the platform fetches), whole, in parts, or as a stream. */
export interface MediaAccess {
  /**
   * A GET address the platform can fetch without credentials, alive for at least `livesForSeconds`: the object store's, or
   * (`interface`) our own for platforms that want a domain its owner has verified, without redirects.
   */
  url(item: MediaItem, livesForSeconds: number, from?: 'store' | 'interface'): Promise<string>;
  /** The whole of a picture, compared with the hash that was approved. */
  bytes(item: MediaItem): Promise<Uint8Array>;
  /** Bytes from `start` up to and without `end`; a large video never stands in memory as a whole. */
  range(item: MediaItem, start: number, end: number): Promise<Uint8Array>;
  /** All of it, a little at a time. */
  stream(item: MediaItem): AsyncIterable<Uint8Array>;
}

/** What `prepare` made at the platform, invisible to the public. Plain JSON: it is stored in a row. */
export interface PreparedHandle {
  /** The ids the commit needs, e.g. `{ containerId }` or `{ imageUrns: [...] }`. No secrets. */
  readonly ids: Readonly<Record<string, string | readonly string[]>>;
  /** What the commit needs and whoever knows it can use, e.g. the address of an upload session: stored enveloped. */
  readonly secret?: string;
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
  /** The platform's headers ask for a pause before its limit is reached: nothing more goes to this account until then. */
  readonly slowDown?: (forMs: number) => void;
}

/** How far an upload has come; kept enveloped in the preparation's row, since it may name the address of a session. */
export interface UploadProgress {
  /** What an earlier attempt kept last; `null` for none. Whatever it says, the platform is asked where it goes on. */
  readonly kept: Readonly<Record<string, string | number>> | null;
  /** Resolves when the row has it. */
  readonly keep: (progress: Readonly<Record<string, string | number>>) => Promise<void>;
}

export interface PrepareContext extends CallContext {
  readonly upload: UploadProgress;
}

export interface CommitContext extends CallContext {
  /** For platforms where the last bytes of an upload are what makes it public. */
  readonly media: MediaAccess;
}

export interface ConfirmContext extends CallContext {
  /** What was published, for what is set beside it once it is public, e.g. the cover of a video. */
  readonly content?: PublicContent;
  readonly media?: MediaAccess;
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
    context: CommitContext,
  ) => Promise<Receipt>;
  /** May answer another `publicId` where the platform gives the final one later. */
  readonly confirm: (account: Account, publicId: string, context: ConfirmContext) => Promise<Receipt>;
}

/** Optional capability: uploads and containers before the commit. Repeatable; what it leaves behind is invisible. */
export interface Preparer {
  readonly prepare: (
    account: Account,
    content: PublicContent,
    media: MediaAccess,
    context: PrepareContext,
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
 * - `pending`: it was taken and is still being processed; ask again after `retryAfterMs`
 * - `refused`: the platform took it and then refused it for good; `error` says why
 * - `cannot-tell`: the answer allows none of these
 */
export type FindResult =
  | { readonly kind: 'found'; readonly receipt: Receipt }
  | { readonly kind: 'absent'; readonly proof: 'single-use-handle' | 'read'; readonly handleIsDead?: boolean }
  | { readonly kind: 'pending'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly kind: 'refused'; readonly error: OutcomeError }
  | { readonly kind: 'cannot-tell'; readonly reason: string };

/** Optional capability: did a commit take effect? A platform that cannot be read back does not have it. */
export interface Finder {
  /** How long after a commit the platform's reads may still not show it, in milliseconds. */
  readonly settleMs: number;
  readonly find: (account: Account, query: FindQuery, context: CallContext) => Promise<FindResult>;
}

/** What stands below a post of ours: a first comment, or a part of a thread. */
export interface Reply {
  readonly text: string;
  /** The platform's id of what it answers: the post, or the part before. */
  readonly parentId: string;
  /** The platform's id of the post. */
  readonly rootId: string;
}

/**
 * Optional capability: public effects below a post, each with a claim and a receipt of its own. `reply` runs at most
 * once per fence, like `commit`, and fails in the same ways; `findReply` may run any number of times.
 */
export interface Replier {
  readonly reply: (account: Account, reply: Reply, context: CallContext) => Promise<Receipt>;
  readonly findReply?: (
    account: Account,
    reply: Reply,
    window: Pick<FindQuery, 'sentAfter' | 'sentBefore'>,
    context: CallContext,
  ) => Promise<FindResult>;
}

/** Optional capability: takes down what went public. Repeatable: what is gone already counts as taken down. */
export interface Remover {
  readonly remove: (account: Account, publicId: string, context: CallContext) => Promise<void>;
}

/** Optional capability: changes the text of what stands in public. Repeatable: the same text again changes nothing. */
export interface Amender {
  /** Whether the title is changed with the text. */
  readonly changesTitle: boolean;
  /** Why a post like this cannot be changed there (`null`: it can); no call is made to find out. */
  readonly refuses: (content: Pick<PublicContent, 'type' | 'options'>) => string | null;
  readonly amend: (
    account: Account,
    publicId: string,
    content: PublicContent,
    context: CallContext,
  ) => Promise<void>;
}

/** How much of its own limit an account has used, as the platform says it now. */
export interface Quota {
  readonly used: number;
  readonly total: number;
  /** The length of the rolling window in seconds. */
  readonly windowSeconds: number;
}

/** Optional capability: a publishing limit that is read live from the platform. */
export interface QuotaReader {
  readonly readQuota: (account: Account, context: CallContext) => Promise<Quota>;
}

/** One value that an option may hold, with what a person calls it. */
export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** A page of what an account has; `next` begins the page after, `null` at the end. */
export interface ChoicePage {
  readonly choices: readonly Choice[];
  readonly next: string | null;
}

/** Optional capability: what an option may hold for an account, as the platform says it now. Only reads. */
export interface ChoiceLister {
  readonly listChoices: (
    account: Account,
    page: { readonly after: string | null; readonly limit: number },
    context: CallContext,
  ) => Promise<ChoicePage>;
}

/** What a platform can do for one kind of account. */
export interface PlatformAdapter {
  readonly publisher: Publisher;
  readonly preparer?: Preparer;
  readonly finder?: Finder;
  readonly replier?: Replier;
  readonly remover?: Remover;
  readonly amender?: Amender;
  readonly quotaReader?: QuotaReader;
  /** By the name of the option; those of the rules that say `isListed`. */
  readonly choiceListers?: Readonly<Record<string, ChoiceLister>>;
}
