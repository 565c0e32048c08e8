import { platformRules } from '../../domain/platforms/index.ts';
import { platforms } from '../../domain/post.ts';
import { type Route, tenantRoute } from '../route.ts';
import { platformListSchema } from '../schemas/platforms.ts';

export const platformRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'listPlatforms',
    method: 'get',
    path: '/platforms',
    tag: 'Platforms',
    summary: 'List the platforms: accounts, types of post, limits, options',
    description: 'The very rules that posts are checked by. A type that is not supported says why.',
    answer: { status: 200, description: 'The platforms', schema: platformListSchema },
    handle: async () => ({ status: 200, body: { platforms: platforms.map(viewPlatform) } }),
  }),
];

/** How fast posts go out is the workers' to say, whose settings this process does not know. */
function viewPlatform(platform: (typeof platforms)[number]) {
  const { kinds: accountKinds, rates: _, ...rules } = platformRules[platform];
  return { platform, accountKinds, ...rules };
}
