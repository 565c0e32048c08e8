import { createHash } from 'node:crypto';
import canonicalizeJson from 'canonicalize';
import type { PostType } from './post.ts';
import type { PartKind, RevisionRef } from './post-state.ts';

/** One piece of media in a revision, by the hash of its bytes. */
export interface RevisionMedia {
  readonly mediaId: string;
  readonly sha256: string;
  readonly altText: string | null;
  /** The picture shown before a video plays. */
  readonly cover?: { readonly mediaId: string; readonly sha256: string };
}

/** What a target says besides its copy; each left out where it says nothing. */
export interface TargetTexts {
  readonly title?: string;
  /** Without their `#`; they follow the copy. */
  readonly hashtags?: readonly string[];
  /** A comment of our own right below the post. */
  readonly firstComment?: string;
  /** Further parts of a thread, in their order. */
  readonly thread?: readonly string[];
}

export interface RevisionTarget extends TargetTexts {
  readonly targetId: string;
  readonly profileId: string;
  /** Copy for this target alone; `null` takes the base copy. */
  readonly copy: string | null;
  /** What it is on this platform, e.g. a single image of a carousel; left out, the post's own type. */
  readonly type?: PostType;
  /** What only this platform knows; left out where there is none. */
  readonly options?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** Everything a revision says. Immutable once stored; whoever approves, approves its hashes. */
export interface RevisionContent {
  readonly type: PostType;
  readonly copy: string;
  readonly media: readonly RevisionMedia[];
  readonly targets: readonly RevisionTarget[];
}

export interface RevisionHashes {
  /** All text that will be public. Alt texts come with the media and belong to the design. */
  readonly contentHash: string;
  /** Media by the SHA-256 of their bytes, order, alt text, covers, and the types. */
  readonly designHash: string;
  /** Both, the targets and their options. */
  readonly publishHash: string;
}

/** Hashes a revision. Canonical JSON (RFC 8785), SHA-256, hex: equal content gives equal hashes on every machine. */
export function hashRevision(content: RevisionContent): RevisionHashes {
  const targets = sortedTargets(content);
  const contentHash = hashOf({
    copy: content.copy,
    overrides: targets.map((target) => [target.targetId, target.copy]),
    ...whereAny('texts', targets, textsOf),
  });
  const designHash = hashOf({
    type: content.type,
    media: content.media.map((item) => [item.sha256, item.altText]),
    ...whereAny('types', targets, ({ type }) => type),
    ...(content.media.some(({ cover }) => cover) && {
      covers: content.media.map(({ cover }) => cover?.sha256 ?? null),
    }),
  });
  const publishHash = hashOf({
    contentHash,
    designHash,
    targets: targets.map((target) => [target.targetId, target.profileId]),
    ...whereAny('options', targets, ({ options }) => options),
  });
  return { contentHash, designHash, publishHash };
}

/** Named only where a target has any: what says nothing of it has the hash it always had. */
function whereAny(
  name: string,
  targets: readonly RevisionTarget[],
  read: (target: RevisionTarget) => unknown,
): Record<string, unknown> {
  const saying = targets.filter((target) => read(target) !== undefined);
  return saying.length === 0 ? {} : { [name]: saying.map((target) => [target.targetId, read(target)]) };
}

/** What a target says besides its copy; `undefined` where that is nothing. */
export function textsOf({
  title,
  hashtags,
  firstComment,
  thread,
}: { readonly [Name in keyof TargetTexts]?: TargetTexts[Name] | undefined }): TargetTexts | undefined {
  const texts = {
    ...(title !== undefined && { title }),
    ...(hashtags !== undefined && { hashtags }),
    ...(firstComment !== undefined && { firstComment }),
    ...(thread !== undefined && { thread }),
  };
  return Object.keys(texts).length === 0 ? undefined : texts;
}

/** What follows a target's post: a public effect of its own, with a row, a claim and a receipt of its own. */
export interface PostPart {
  /** From 1 on; 0 is the post. */
  readonly part: number;
  readonly kind: PartKind;
  readonly text: string;
}

/** The parts that follow a target's post: those of its thread in their order, then its first comment. */
export function partsOf({ thread = [], firstComment }: TargetTexts): PostPart[] {
  const texts = thread.map((text) => ({ kind: 'thread' as const, text }));
  const all =
    firstComment === undefined ? texts : [...texts, { kind: 'first-comment' as const, text: firstComment }];
  return all.map((part, index) => ({ ...part, part: index + 1 }));
}

/** The kinds of what follows each target's post, as its run is told; targets that nothing follows are left out. */
export function whatFollows({ targets }: RevisionContent): Pick<RevisionRef, 'parts'> {
  const followed = targets
    .map((target) => [target.targetId, partsOf(target).map(({ kind }) => kind)] as const)
    .filter(([, kinds]) => kinds.length > 0);
  return followed.length === 0 ? {} : { parts: Object.fromEntries(followed) };
}

/** What a target's followers read: its copy, or the post's, and its hashtags. */
export function publicText(
  { copy, hashtags }: Pick<RevisionTarget, 'copy' | 'hashtags'>,
  baseCopy: string,
): string {
  const text = copy ?? baseCopy;
  return hashtags?.length ? `${text}\n\n${hashtags.map((tag) => `#${tag}`).join(' ')}` : text;
}

export interface Fingerprint {
  readonly profileId: string;
  readonly fingerprint: string;
}

/**
 * What followers of each profile would see, as a hash: text without regard to spacing, media by their bytes, in order.
 * Posts with equal ones say the same thing twice. A target that says nothing yet has none.
 */
export function fingerprintsOf(content: RevisionContent): Fingerprint[] {
  return content.targets.flatMap((target) => {
    const text = [target.title ?? '', publicText(target, content.copy)]
      .join(' ')
      .normalize('NFC')
      .replace(/\s+/gu, ' ')
      .trim();
    const media = mediaShown(target.type ?? content.type, content.media).map(({ sha256 }) => sha256);
    if (text === '' && media.length === 0) return [];
    return [{ profileId: target.profileId, fingerprint: hashOf({ text, media }) }];
  });
}

/** The media that a post of this type shows of those it has: a carousel all, a single one the first, a text none. */
export function mediaShown<Medium>(type: PostType, media: readonly Medium[]): readonly Medium[] {
  if (type === 'TEXT_ONLY') return [];
  return type === 'CAROUSEL' ? media : media.slice(0, 1);
}

const sortedTargets = (content: RevisionContent): RevisionTarget[] =>
  content.targets.toSorted((left, right) => (left.targetId < right.targetId ? -1 : 1));

/** SHA-256 in hex of the canonical JSON of a plain value. */
export function hashOf(value: unknown): string {
  const canonical = canonicalizeJson(value);
  if (canonical === undefined) throw new Error('Only plain JSON values can be hashed');
  return createHash('sha256').update(canonical, 'utf8').digest('hex');
}
