import { definitions, liveEndpoints } from '../../../adapters/platforms/registry.ts';
import { platformRules } from '../../../domain/platforms/index.ts';
import type { PlatformRules } from '../../../domain/platforms/rules.ts';
import { type AccountKind, platforms } from '../../../domain/post.ts';

const notCalled = () => Promise.reject(new Error('Only asked about'));

test.each(platforms)('%s lists what its rules say that it lists, and nothing else', (platform) => {
  const { kinds, types }: PlatformRules = platformRules[platform];
  const listed = Object.values(types).flatMap((rule) =>
    rule.isSupported ? Object.entries(rule.options ?? {}).filter(([, { isListed }]) => isListed) : [],
  );
  const names = [...new Set(listed.map(([name]) => name))].sort();
  const adapters = definitions[platform].create({ ...liveEndpoints[platform], fetch: notCalled });
  for (const kind of kinds as readonly AccountKind[])
    expect(Object.keys(adapters[kind]?.choiceListers ?? {}).sort()).toEqual(names);
});
