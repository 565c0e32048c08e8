import type { PreparedHandle, UploadProgress } from '../adapters/platforms/publisher.ts';
import type { EnvelopeContext } from '../adapters/secrets/envelope.ts';
import {
  deleteStalePreparations,
  findPreparation,
  findPreparationSecret,
  findUploadProgress,
  setPreparation,
  setUploadProgress,
} from '../db/preparations.ts';
import type { StoredHandle } from '../db/schema.ts';
import { OutcomeError } from '../domain/outcome.ts';
import type { TargetInput } from './contract.ts';
import type { ActivityDependencies, PublishingContext, PublishingDependencies } from './dependencies.ts';
import { toFailure } from './failures.ts';
import { callContext } from './heartbeat.ts';
import { mediaAccess } from './media-access.ts';
import { isUnauthorized, needsReconnect } from './tokens.ts';

/** Brings uploads and containers to the platform, once for each revision; goes on with an upload that was cut off. */
export async function prepare(
  dependencies: PublishingDependencies,
  publishing: PublishingContext,
  input: TargetInput,
): Promise<void> {
  const { database, adapter, account, content } = publishing;
  if (!adapter.preparer) return;
  if (await findPreparation(database, input, await dependencies.clock.now())) return;
  await deleteStalePreparations(database, input);
  const upload = await uploadProgress(dependencies, publishing, input);
  try {
    const context = { ...callContext(), upload };
    const media = mediaAccess(dependencies, publishing);
    const { secret, ...handle } = await adapter.preparer.prepare(account, content, media, context);
    await setPreparation(database, input, {
      handle: { ...handle, ...(secret !== undefined && { hasSecret: true }) },
      secret: secret === undefined ? null : dependencies.envelopes.seal(secret, cell(input, 'secret')),
    });
  } catch (error) {
    if (isUnauthorized(error)) throw await afterRefusal(dependencies, publishing, input, error);
    throw toFailure(error);
  }
}

/** With a new token it is tried again; without one the post waits for a person. */
async function afterRefusal(
  { tokens }: PublishingDependencies,
  { stored }: PublishingContext,
  { tenantId }: TargetInput,
  error: OutcomeError,
): Promise<unknown> {
  const verdict = await tokens.noteRefused(tenantId, stored, error);
  if (verdict === 'needs-reconnect') return needsReconnect(error.message);
  return toFailure(new OutcomeError('unavailable', error.message, { sent: false }));
}

/** An envelope opens in the cell it was sealed for alone; a preparation's rows go by their target. */
const cell = ({ tenantId, targetId }: TargetInput, column: 'secret' | 'progress'): EnvelopeContext => ({
  tenantId,
  table: 'preparations',
  column,
  rowId: targetId,
});

async function uploadProgress(
  { envelopes }: ActivityDependencies,
  { database }: PublishingContext,
  input: TargetInput,
): Promise<UploadProgress> {
  const sealed = await findUploadProgress(database, input);
  return {
    kept: sealed && JSON.parse(envelopes.open(sealed, cell(input, 'progress'))),
    keep: (progress) =>
      setUploadProgress(database, input, envelopes.seal(JSON.stringify(progress), cell(input, 'progress'))),
  };
}

/** A stored handle as its adapter made it, with its secret opened. */
export async function openHandle(
  { envelopes }: Pick<ActivityDependencies, 'envelopes'>,
  { database }: Pick<PublishingContext, 'database'>,
  input: TargetInput,
  stored: StoredHandle | null,
): Promise<PreparedHandle | null> {
  if (!stored?.hasSecret) return stored;
  const { hasSecret: _, ...handle } = stored;
  const sealed = await findPreparationSecret(database, input);
  return sealed ? { ...handle, secret: envelopes.open(sealed, cell(input, 'secret')) } : handle;
}
