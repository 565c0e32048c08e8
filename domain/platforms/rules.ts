import type { PostType } from '../post.ts';

/** What a platform's rules are made of. Data alone: `platform-rules.ts` judges by it, the documentation is written from it. */

/**
 * How a platform counts the characters of a text.
 *
 * - `utf-16`: code units, as JavaScript counts; the strictest reading of "characters" where a platform does not say
 * - `utf-8`: bytes
 * - `graphemes`: what a reader takes for one character
 * - `x`: weighted as X does: an address counts 23, an emoji or a CJK character 2
 * - `threads`: code points, an emoji by its UTF-8 bytes
 * - `mastodon`: as `graphemes`, but an address counts 23 and a name on another server without that server
 */
export const textCountings = ['utf-16', 'utf-8', 'graphemes', 'x', 'threads', 'mastodon'] as const;
export type TextCounting = (typeof textCountings)[number];

export interface TextRule {
  readonly maxLength: number;
  readonly counting: TextCounting;
  readonly isRequired: boolean;
  /** `null` where nothing bounds them. */
  readonly maxHashtags: number | null;
  readonly maxMentions: number | null;
  /** Distinct web addresses. */
  readonly maxLinks?: number;
  /** Characters that may not stand in it. */
  readonly forbidden?: string;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What a file must be; `null` where the platform sets no bound. */
export interface FileRule {
  readonly contentTypes: readonly string[];
  readonly maxBytes: number | null;
  /** Width times height. */
  readonly maxPixels: number | null;
  /** Width divided by height, both ends allowed. */
  readonly aspectRatio: Range | null;
  /** Pixels along the width and along the height. */
  readonly width?: Partial<Range>;
  readonly height?: Partial<Range>;
}

export interface ImageRule extends FileRule {
  /** Pictures in an animation; 1 takes stills alone. */
  readonly maxFrames: number | null;
}

export interface VideoRule extends FileRule {
  readonly durationSeconds: Range;
  /** Pictures per second. */
  readonly frameRate?: Range;
  /** As the probe names them: `AVC`, `HEVC`, `VP8`, `VP9`, `AV1`. Left out: any. */
  readonly videoCodecs?: readonly string[];
  /** As the probe names them, e.g. `AAC`; a video without sound passes. Left out: any. */
  readonly audioCodecs?: readonly string[];
}

export interface MediaRule {
  readonly minCount: number;
  readonly maxCount: number;
  /** `null` where pictures are not taken. */
  readonly image: ImageRule | null;
  /** `null` where video is not taken. */
  readonly video: VideoRule | null;
  /** In UTF-16 code units; 0 where the platform takes none. */
  readonly maxAltText: number;
  /** All pieces must have the same width and height. */
  readonly isUniform?: boolean;
  /** A cover picture beside a video (default `none`: the platform takes none from us). */
  readonly cover?: { readonly isRequired: boolean; readonly image: ImageRule };
}

/** An option of a target that only this platform knows. */
export type OptionRule = {
  /** For the documentation and the interface: what it does, with its default. */
  readonly description: string;
  readonly isRequired?: boolean;
  /** What it may hold is the account's own, and can be listed for each profile. */
  readonly isListed?: boolean;
} & (
  | { readonly kind: 'text'; readonly maxLength: number; readonly pattern?: string }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'flag' }
  | { readonly kind: 'whole-number'; readonly min: number; readonly max: number }
  | { readonly kind: 'texts'; readonly maxCount: number; readonly maxLength: number }
  | { readonly kind: 'web-address'; readonly maxLength: number }
);

/** A cell of the table: what a type may carry on a platform, or why the platform does not have it. */
export type PostRule =
  | {
      readonly isSupported: true;
      readonly text: TextRule;
      /** Left out where the platform has no title for this type. */
      readonly title?: TextRule;
      readonly media: MediaRule | null;
      readonly options?: Readonly<Record<string, OptionRule>>;
      /** A comment of our own right after the post; left out where the platform or type has none. */
      readonly firstComment?: TextRule;
      /** Further parts below the post, each an answer to the one before. */
      readonly thread?: { readonly maxParts: number; readonly text: TextRule };
    }
  | { readonly isSupported: false; readonly reason: string };

/** A token bucket: `perMinute` tokens flow in, `burst` fit. Each commit takes one. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

/** At most `max` posts of an application or a profile in a window: what is over it waits until the window has room. */
export interface Cap {
  readonly counts: 'app' | 'profile';
  readonly max: number;
  /** The hours before an instant, or the day of the calendar in a time zone. */
  readonly window: { readonly hours: number } | { readonly dayIn: string };
  /** Default: posts of every type. */
  readonly types?: readonly PostType[];
  /** First comments and the parts of threads count as well (default: posts alone). */
  readonly includesParts?: true;
  /** The platform says itself how many it takes and has taken, also from elsewhere; `max` is for when it cannot be asked. */
  readonly isReadLive?: true;
}

/** What a platform is sent at most: by a tenant's application there, and by one of its profiles. `null`: no bound. */
export interface PlatformRates {
  readonly app: Rate | null;
  readonly profile: Rate | null;
  readonly caps: readonly Cap[];
}

/** A size to design for, in pixels. */
export interface DesignSize {
  readonly name: 'square' | 'portrait' | 'landscape' | 'full-screen';
  readonly width: number;
  readonly height: number;
}

/** Everything that is known of a platform without calling it. */
export interface PlatformRules<Kind extends string = string> {
  /** As its people write it. */
  readonly name: string;
  /** What kinds of account a profile may stand for; the first that can be read back comes first. */
  readonly kinds: readonly Kind[];
  /** What the platform's id of an account looks like, by its kind; the example ends in digits. */
  readonly accountIds: Readonly<
    Partial<Record<Kind, { readonly pattern: string; readonly example: string }>>
  >;
  /** Ways to connect accounts besides the usual one, by name; an app of the tenant is for one of them. */
  readonly logins?: readonly string[];
  readonly types: Readonly<Record<PostType, PostRule>>;
  readonly rates: PlatformRates;
  /**
   * How many minutes before the due time uploads and containers start, by type; a type that is left out prepares
   * nothing. Never longer than what is prepared lives.
   */
  readonly prepareMinutes: Readonly<Partial<Record<PostType, number>>>;
  /** For a designer's brief, best first. */
  readonly sizes: readonly DesignSize[];
}

export const unsupported = (reason: string): PostRule => ({ isSupported: false, reason });
