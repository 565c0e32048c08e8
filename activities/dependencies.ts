import { ApplicationFailure } from '@temporalio/activity';
import type pg from 'pg';
import type { Account, PlatformAdapter, PublicContent } from '../adapters/platforms/publisher.ts';
import { type Registry, RegistryError } from '../adapters/platforms/registry.ts';
import type { Envelopes } from '../adapters/secrets/envelope.ts';
import type { ObjectStorage } from '../adapters/storage/s3.ts';
import { findPublishContent, type PublishContent } from '../db/publish-content.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import type { Rates } from '../domain/rates.ts';
import { hashRevision } from '../domain/revision.ts';
import type { Clock } from './clock.ts';
import { failureTypes, type TargetInput } from './contract.ts';
import { toFailure } from './failures.ts';
import type { ImportingDependencies } from './importing.ts';
import type { RunDirectory } from './maintenance.ts';
import type { TokenSource, TokenUse } from './tokens.ts';

/** What the worker gives its activities. */
export interface ActivityDependencies {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly storage: Pick<ObjectStorage, 'presignDownload' | 'read' | 'readStream'>;
  readonly envelopes: Envelopes;
  /** An address of the interface that hands out one object; absent where its public address is not known. */
  readonly fileAddress?: (objectKey: string, livesForSeconds: number) => string;
  /** What the platforms are sent at most. */
  readonly rates: Rates;
  /** To start runs from the outbox and to look at open runs; absent where no maintenance runs. */
  readonly runs?: RunDirectory;
  /** To fetch media from addresses; absent where nobody asks for it. */
  readonly importing?: ImportingDependencies;
  /** Told of each step of a publication; where a test stops the process. */
  readonly failpoint?: (name: Failpoint, postId: string) => Promise<void>;
}

/** What the activities that publish are given: the tokens as well. */
export interface PublishingDependencies extends ActivityDependencies {
  readonly tokens: TokenSource;
}

/** Places at which a crash test may stop the process, in the order in which a publication passes them. */
export const failpoints = [
  'before-arm',
  'armed',
  'sending',
  'platform-answered',
  'receipt-committed',
  /** The attempt has ended, and the run is about to write its outcome into the post's rows. */
  'activity-completed',
  'projected',
] as const;
export type Failpoint = (typeof failpoints)[number];

/** Everything needed to act for one target: its content, its account, and the platform's adapter. */
export interface PublishingContext {
  readonly database: TenantDatabase;
  readonly stored: PublishContent;
  readonly account: Account;
  readonly content: PublicContent;
  readonly adapter: PlatformAdapter;
}

/** Loads a target of an approved revision, with a token that lasts for what it is wanted for. */
async function loadPublishing(
  dependencies: PublishingDependencies,
  input: TargetInput,
  use: TokenUse,
): Promise<PublishingContext | undefined> {
  const database = forTenant(dependencies.pool, input.tenantId);
  const stored = await findPublishContent(database, input.tenantId, input.revisionId, input.targetId);
  if (!stored) return undefined;
  const { profile, mode } = stored;
  const accessToken = await dependencies.tokens.open(input.tenantId, stored, use);
  return {
    database,
    stored,
    account: {
      platform: profile.platform,
      kind: profile.accountKind,
      externalId: profile.externalId,
      accessToken,
    },
    content: {
      type: stored.type,
      text: stored.text,
      media: stored.media,
      ...(stored.title !== undefined && { title: stored.title }),
      ...(stored.options !== undefined && { options: stored.options }),
    },
    adapter: dependencies.registry.adapterFor({
      platform: profile.platform,
      kind: profile.accountKind,
      mode,
    }),
  };
}

/** For a `catch`: a profile that must be connected again is no failure where what goes to it can wait. */
export function unlessDisconnected(error: unknown): null {
  if (error instanceof ApplicationFailure && error.type === failureTypes.needsReconnect) return null;
  throw error;
}

/** Part of what was approved is not there: final, and said so. */
export const revisionMismatch = (message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, failureTypes.revisionMismatch);

/** A tenant whose mode has no platforms here is a matter of configuration: trying again does not help. */
function rethrowFinal(error: unknown): never {
  if (error instanceof RegistryError) throw ApplicationFailure.nonRetryable(error.message, error.code);
  throw toFailure(error);
}

/**
 * As above; what is missing, or is not what was approved, is final. So is a profile that must be connected again
 * (`needs-reconnect`), unless the platform is only asked what it has.
 */
export async function requirePublishing(
  dependencies: PublishingDependencies,
  input: TargetInput,
  use: TokenUse,
): Promise<PublishingContext> {
  const publishing = await loadPublishing(dependencies, input, use).catch(rethrowFinal);
  if (!publishing)
    throw revisionMismatch(`Target ${input.targetId} of revision ${input.revisionId} is not there`);
  // What is sent is what was approved: the stored content must have the hash that the gates were passed on.
  const { publishHash } = hashRevision(publishing.stored.content);
  if (publishHash !== input.approvedHash)
    throw revisionMismatch(`Revision ${input.revisionId} does not have the approved hash`);
  return publishing;
}
