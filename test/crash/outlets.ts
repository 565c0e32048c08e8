import { capabilitiesOf } from '../../adapters/platforms/registry.ts';
import { ruleFor } from '../../domain/platform-rules.ts';
import { platformRules } from '../../domain/platforms/index.ts';
import { type AccountKind, type Platform, type PostType, platforms } from '../../domain/post.ts';
import { fixtures } from '../adapters/platforms/fixtures/index.ts';

/** What is sent where: the cheapest post of a kind of account that goes through all of its platform's protocol. */
export interface Outlet {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly type: PostType;
}

/**
 * Whether the platform can be asked what became of a post, by a list or by a handle that works once; the adapter says so.
 * Then the post goes out once, whatever strikes. Otherwise it goes out once at most, and doubt is a person's matter.
 */
export const canBeAsked = ({ platform, kind }: Pick<Outlet, 'platform' | 'kind'>): boolean =>
  capabilitiesOf(platform, kind).finds;

export const outletName = ({ platform, kind }: Outlet): string => `${platform} ${kind}`;

const cheapestFirst = ['TEXT_ONLY', 'SINGLE_IMAGE', 'VIDEO'] as const satisfies PostType[];

function outletOf(platform: Platform, kind: AccountKind): Outlet {
  const type = cheapestFirst.find(
    (one) => ruleFor(platform, one).isSupported && !fixtures[platform].unprovable?.(one),
  );
  if (!type) throw new Error(`No type of post is known that goes through the protocol of ${platform}`);
  return { platform, kind, type };
}

/** Every platform, by a kind of account for each answer to whether it can be asked. */
export const outlets: readonly Outlet[] = platforms.flatMap((platform) => {
  const { kinds } = platformRules[platform];
  return kinds
    .filter((kind, index) => {
      const answer = canBeAsked({ platform, kind });
      return !kinds.slice(0, index).some((other) => canBeAsked({ platform, kind: other }) === answer);
    })
    .map((kind) => outletOf(platform, kind));
});

/** One for each way in which doubt is settled: a single-use handle, a look-up, and not at all. */
export const byProof: readonly Outlet[] = [
  outletOf('instagram', 'business'),
  outletOf('linkedin', 'organization'),
  outletOf('linkedin', 'member'),
];

/** Those that the rounds with `byProof` leave out. */
export const otherOutlets: readonly Outlet[] = outlets.filter(
  (outlet) => !byProof.some((one) => outletName(one) === outletName(outlet)),
);
