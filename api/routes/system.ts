import type { ReadinessCheck } from '../ports.ts';
import { openRoute, type Route } from '../route.ts';
import { z } from '../zod.ts';

const checkWithinMs = 3_000;

const readinessSchema = z
  .object({
    status: z.enum(['ready', 'not-ready']),
    checks: z.record(z.string(), z.object({ state: z.enum(['ok', 'failed', 'timed-out']) })),
  })
  .openapi('Readiness');
type CheckState = z.infer<typeof readinessSchema>['checks'][string]['state'];

/** Routes about the process itself; outside the version's prefix. */
export const systemRoutes: readonly Route[] = [
  openRoute({
    operationId: 'healthz',
    method: 'get',
    path: '/healthz',
    tag: 'System',
    summary: 'Whether the process runs',
    answer: {
      status: 200,
      description: 'It runs',
      schema: z.object({ status: z.literal('ok') }).openapi('Health'),
    },
    handle: async () => ({ status: 200, body: { status: 'ok' } }),
  }),
  openRoute({
    operationId: 'readyz',
    method: 'get',
    path: '/readyz',
    tag: 'System',
    summary: 'Whether everything the process depends on answers',
    description: 'Answers 503 with the same body while a check fails.',
    answer: { status: 200, description: 'Everything answers', schema: readinessSchema },
    handle: async ({ dependencies, log }) => {
      const names = Object.keys(dependencies.readiness);
      const states = await Promise.all(
        names.map(async (name) => {
          const { state, error } = await runCheck(dependencies.readiness[name]!);
          if (error) log.warn({ err: error, check: name }, 'A readiness check failed');
          return [name, { state }] as const;
        }),
      );
      const isReady = states.every(([, { state }]) => state === 'ok');
      const body = { status: isReady ? 'ready' : 'not-ready', checks: Object.fromEntries(states) };
      return {
        status: isReady ? 200 : 503,
        body,
        headers: { 'Content-Type': 'application/json; charset=utf-8' },
      };
    },
  }),
];

async function runCheck(check: ReadinessCheck): Promise<{ state: CheckState; error?: unknown }> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timed-out'>((resolve) => {
    timer = setTimeout(() => resolve('timed-out'), checkWithinMs);
  });
  try {
    const state = await Promise.race([check().then(() => 'ok' as const), timeout]);
    return state === 'ok' ? { state } : { state, error: new Error(`No answer within ${checkWithinMs} ms`) };
  } catch (error) {
    return { state: 'failed', error };
  } finally {
    clearTimeout(timer);
  }
}
