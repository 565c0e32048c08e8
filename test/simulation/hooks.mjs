// Module hooks: what activities/ import from db/ is taken from test/simulation/db/ instead.
const replaced = new Set([
  ...['conditions', 'members', 'preparations', 'projections', 'publications', 'publish-content', 'rates'],
  ...['tenant-database', 'grants', 'token-events', 'outbox'],
]);

export function resolve(specifier, context, next) {
  const [, name] = /^\.\.\/db\/([a-z-]+)\.ts$/.exec(specifier) ?? [];
  const isFromActivity = context.parentURL?.includes('/activities/');
  if (!name || !isFromActivity || !replaced.has(name)) return next(specifier, context);
  return next(new URL(`db/${name}.ts`, import.meta.url).href, context);
}
