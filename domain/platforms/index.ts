import { facebook } from './facebook.ts';
import { instagram } from './instagram.ts';
import { linkedin } from './linkedin.ts';
import { mastodon } from './mastodon.ts';
import { pinterest } from './pinterest.ts';
import { reddit } from './reddit.ts';
import type { PlatformRules } from './rules.ts';
import { threads } from './threads.ts';
import { tiktok } from './tiktok.ts';
import { x } from './x.ts';
import { youtube } from './youtube.ts';

/** Every platform, by the name that rows, messages and addresses carry. A new one is one line here. */
const registered = {
  facebook,
  instagram,
  linkedin,
  mastodon,
  pinterest,
  reddit,
  threads,
  tiktok,
  x,
  youtube,
} as const;

export type Platform = keyof typeof registered;
export const platforms = Object.keys(registered) as [Platform, ...Platform[]];

/** What kind of account a profile stands for; it decides what the platform lets us read back. */
export type AccountKind = (typeof registered)[Platform]['kinds'][number];
export const accountKinds = [...new Set(platforms.flatMap((platform) => registered[platform].kinds))] as [
  AccountKind,
  ...AccountKind[],
];

export const platformRules: Readonly<Record<Platform, PlatformRules<AccountKind>>> = registered;
