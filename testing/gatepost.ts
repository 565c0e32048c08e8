import type { Client, WorkflowHandle } from '@temporalio/client';
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { postWorkflowId } from '../workflows/ids.ts';
import { serveApi } from './api.ts';
import { createDueClock, type GatepostClock } from './due-clock.ts';
import { type Environment, type Keyring, startEnvironment } from './environment.ts';
import { createHistories, type Histories } from './histories.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createMedia, type Media } from './media.ts';
import { createTenant, type People } from './people.ts';
import { createControl, createPlatforms, type Platforms } from './platforms.ts';
import { createPosts, type Post, type Posts } from './posts.ts';
import { createProfiles, type Profiles } from './profiles.ts';
import { createRuns } from './runs.ts';
import { findSharedServers, type Servers, startServers, stopOnSignal, type TimeMode } from './servers.ts';
import { createStops } from './stops.ts';
import { startWorkers } from './workers.ts';

/** A whole Gatepost around one tenant: everything real but the platforms. */
export interface Gatepost {
  /** The interface, for your own client; without a slash at the end. */
  readonly url: string;
  readonly tenantId: string;
  readonly people: People;
  readonly profiles: Profiles;
  readonly media: Media;
  readonly posts: Posts;
  readonly clock: GatepostClock;
  readonly platforms: Platforms;
  readonly ledger: Ledger;
  readonly histories: Histories;
  readonly temporal: TemporalAccess;
  /** What is underneath, for tests that look inside. */
  readonly environment: Environment;
  /** Ends and deletes everything that `startGatepost` started. */
  readonly stop: () => Promise<void>;
}

export interface TemporalAccess {
  /** Decodes payloads. Waiting for a run's result skips time to its end and on: wait with `clock`. */
  readonly client: Client;
  readonly namespace: string;
  readonly handle: (post: Pick<Post, 'id'>) => WorkflowHandle;
}

export interface GatepostOptions {
  /** `skipping` (default): weeks pass in milliseconds. `real`: time passes as it does. */
  readonly time?: TimeMode;
  /** Default: those that were shared with this process, else some of its own. */
  readonly servers?: Servers;
  /** How long before its due time a post is armed (default 0 in skipped time, 500 ms in real time). */
  readonly armLeadMs?: number;
  /** How long a platform may take to answer a commit (default 2,000 ms; null: as long as in production). */
  readonly commitTimeoutMs?: number | null;
  /** The master keys (default: made up). */
  readonly keys?: Keyring;
  /** What every made-up account token starts with. */
  readonly tokenPrefix?: string;
  /** Workers in this process (default true); without them something else must run the workflows. */
  readonly workers?: boolean;
  /** How many runs stay in memory (default: as many as the SDK keeps). With 0 every task replays its whole history. */
  readonly maxCachedWorkflows?: number | undefined;
  /** Parts of the workers to replace, for tests of their failures. */
  readonly dependencies?: Partial<ActivityDependencies>;
  /** Takes each line of progress while servers of its own are provided (default: standard error). */
  readonly report?: (line: string) => void;
}

/**
 * Starts a whole Gatepost for one test or one file of tests: PostgreSQL, S3 and Temporal, the interface, the workers, the
 * pretended platforms, and a tenant with people of every role. On shared servers that takes some two seconds.
 */
export async function startGatepost(options: GatepostOptions = {}): Promise<Gatepost> {
  const time = options.time ?? 'skipping';
  const shared = options.servers ?? (await findSharedServers());
  if (shared) return startOn(shared, options);
  const stops = createStops();
  stops.add(stopOnSignal(() => stops.run()));
  try {
    const own = await startServers({ time: [time], report: options.report });
    stops.add(own.stop);
    const gatepost = await startOn(own.servers, options);
    stops.add(gatepost.stop);
    return { ...gatepost, stop: stops.run };
  } catch (error) {
    await stops.run();
    throw error;
  }
}

async function startOn(servers: Servers, options: GatepostOptions): Promise<Gatepost> {
  const { time: mode = 'skipping', keys } = options;
  const environment = await startEnvironment({ servers, time: mode, keys });
  try {
    return await assemble(environment, options);
  } catch (error) {
    await environment.stops.run();
    throw error;
  }
}

async function assemble(environment: Environment, options: GatepostOptions): Promise<Gatepost> {
  const { commitTimeoutMs = 2_000, maxCachedWorkflows, dependencies, tokenPrefix = 'token' } = options;
  const armLeadMs = options.armLeadMs ?? (environment.mode === 'skipping' ? 0 : 500);
  const api = await serveApi(environment, armLeadMs);
  const workers =
    options.workers === false
      ? null
      : await startWorkers(environment, {
          commitTimeoutMs: commitTimeoutMs ?? undefined,
          maxCachedWorkflows,
          dependencies: { fileAddress: api.fileAddress, ...dependencies },
        });
  const { tenantId, people } = await createTenant(api);
  const control = createControl(environment.sandbox);
  const posts = createPosts(people);
  const { client, namespace } = environment.temporal;
  const runs = createRuns(environment, workers);
  const handle: TemporalAccess['handle'] = ({ id }) =>
    client.workflow.getHandle(postWorkflowId(tenantId, id));
  return {
    ...{ url: api.url, tenantId, people, posts, environment },
    profiles: createProfiles(control, people.root, tokenPrefix),
    media: createMedia(people.designer),
    clock: createDueClock(environment, runs, posts, handle),
    platforms: createPlatforms(environment.sandbox, control),
    ledger: createLedger(control, posts, people.root),
    histories: createHistories(environment, runs, tenantId),
    temporal: { client, namespace: namespace ?? 'default', handle },
    stop: () => environment.stops.run(),
  };
}
