import { createHash } from 'node:crypto';
import canonicalizeJson from 'canonicalize';
import type { PostType } from './post.ts';

/** One piece of media in a revision, by the hash of its bytes. */
export interface RevisionMedia {
  readonly mediaId: string;
  readonly sha256: string;
  readonly altText: string | null;
}

export interface RevisionTarget {
  readonly targetId: string;
  readonly profileId: string;
  /** Copy for this target alone; `null` takes the base copy. */
  readonly copy: string | null;
  /** What it is on this platform, e.g. a single image of a carousel; left out, the post's own type. */
  readonly type?: PostType;
}

/** Everything a revision says. Immutable once stored; whoever approves, approves its hashes. */
export interface RevisionContent {
  readonly type: PostType;
  readonly copy: string;
  readonly media: readonly RevisionMedia[];
  readonly targets: readonly RevisionTarget[];
}

export interface RevisionHashes {
  /** All copy that will be public. Alt texts come with the media and belong to the design. */
  readonly contentHash: string;
  /** Media by the SHA-256 of their bytes, order, alt text, and the types. */
  readonly designHash: string;
  /** Both, and the targets. */
  readonly publishHash: string;
}

/** Hashes a revision. Canonical JSON (RFC 8785), SHA-256, hex: equal content gives equal hashes on every machine. */
export function hashRevision(content: RevisionContent): RevisionHashes {
  const contentHash = hashOf({
    copy: content.copy,
    overrides: sortedTargets(content).map((target) => [target.targetId, target.copy]),
  });
  const typed = sortedTargets(content).filter((target) => target.type);
  const designHash = hashOf({
    type: content.type,
    media: content.media.map((item) => [item.sha256, item.altText]),
    ...(typed.length > 0 && { types: typed.map((target) => [target.targetId, target.type]) }),
  });
  const publishHash = hashOf({
    contentHash,
    designHash,
    targets: sortedTargets(content).map((target) => [target.targetId, target.profileId]),
  });
  return { contentHash, designHash, publishHash };
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
    const text = (target.copy ?? content.copy).normalize('NFC').replace(/\s+/gu, ' ').trim();
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
