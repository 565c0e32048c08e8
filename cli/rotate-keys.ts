import type pg from 'pg';
import { EnvelopeError, type Envelopes } from '../adapters/secrets/envelope.ts';
import {
  countEnvelopes,
  type EnvelopeColumn,
  envelopeColumns,
  listEnvelopesOfOtherKeys,
  replaceEnvelope,
  type SealedRow,
} from '../db/envelopes.ts';
import { systemDatabase } from '../db/pool.ts';
import { forTenant } from '../db/tenant-database.ts';
import { listTenants } from '../db/tenants.ts';

export interface Rotation {
  readonly pool: pg.Pool;
  /** Opens with every key that is still used, and wraps with `currentKeyId`. */
  readonly envelopes: Pick<Envelopes, 'rewrap'>;
  readonly currentKeyId: string;
  /** Rows that are read at once (default 200). */
  readonly batch?: number;
  /** Told after each batch how many have been wrapped anew. */
  readonly onProgress?: (rewrapped: number) => void;
}

/** An envelope that no key of ours opens. */
export interface Unopened {
  readonly tenantId: string;
  readonly where: string;
  readonly key: readonly string[];
  readonly code: EnvelopeError['code'];
}

export interface RotationResult {
  readonly rewrapped: number;
  readonly unopened: readonly Unopened[];
}

const defaultBatch = 200;
const tenantsAtOnce = 200;
/** A row that somebody writes again just then is looked at once more; whoever does so for ever uses the old key. */
const mostPasses = 5;

/**
 * Wraps every envelope of every tenant with the current key, row by row, while everything else goes on: a row that was
 * written meanwhile keeps what was written. Where it stands is written nowhere but in the envelopes themselves, so it may be
 * killed at any moment and started again, or run twice at once.
 */
export async function rotateKeys(rotation: Rotation): Promise<RotationResult> {
  const tally = { rewrapped: 0, missed: 0, unopened: [] as Unopened[] };
  for (let pass = 0; pass < mostPasses; pass += 1) {
    tally.missed = 0;
    tally.unopened = [];
    for await (const tenantId of allTenants(rotation.pool))
      for (const column of envelopeColumns) await rotateColumn(rotation, tenantId, column, tally);
    if (tally.missed === 0) break;
  }
  return { rewrapped: tally.rewrapped, unopened: tally.unopened };
}

interface Tally {
  rewrapped: number;
  missed: number;
  readonly unopened: Unopened[];
}

async function rotateColumn(
  rotation: Rotation,
  tenantId: string,
  column: EnvelopeColumn,
  tally: Tally,
): Promise<void> {
  const { pool, currentKeyId: keyId, batch: limit = defaultBatch, onProgress } = rotation;
  const database = forTenant(pool, tenantId);
  for (let after: readonly string[] | null = null; ; ) {
    const rows: SealedRow[] = await listEnvelopesOfOtherKeys(database, column, { keyId, after, limit });
    for (const row of rows) {
      const rewrapped = rewrap(rotation, tenantId, column, row, tally);
      if (!rewrapped) continue;
      if (await replaceEnvelope(database, column, row, rewrapped)) tally.rewrapped += 1;
      else tally.missed += 1;
    }
    if (rows.length > 0) onProgress?.(tally.rewrapped);
    if (rows.length < limit) return;
    after = rows.at(-1)!.key;
  }
}

/** One envelope's trouble is its own: it is noted, and the others go on. */
function rewrap(
  { envelopes }: Rotation,
  tenantId: string,
  { table, column, rowIdOf = (id) => id! }: EnvelopeColumn,
  { key, sealed }: SealedRow,
  tally: Tally,
): Buffer | null {
  try {
    return envelopes.rewrap(sealed, { tenantId, table, column, rowId: rowIdOf(...key) });
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    tally.unopened.push({ tenantId, where: `${table}.${column}`, key, code: error.code });
    return null;
  }
}

/** How many envelopes each key still opens, by column; the key `null` is for what is no envelope. */
export async function countKeys(
  pool: pg.Pool,
): Promise<{ keyId: string | null; where: string; count: number }[]> {
  const counts = new Map<string, { keyId: string | null; where: string; count: number }>();
  for await (const tenantId of allTenants(pool))
    for (const column of envelopeColumns)
      for (const { keyId, count } of await countEnvelopes(forTenant(pool, tenantId), column)) {
        const where = `${column.table}.${column.column}`;
        const id = JSON.stringify([keyId, where]);
        counts.set(id, { keyId, where, count: count + (counts.get(id)?.count ?? 0) });
      }
  return [...counts.values()];
}

async function* allTenants(pool: pg.Pool): AsyncGenerator<string> {
  for (let afterId: string | undefined; ; ) {
    const tenants = await listTenants(systemDatabase(pool), { afterId, limit: tenantsAtOnce });
    for (const { id } of tenants) yield id;
    if (tenants.length < tenantsAtOnce) return;
    afterId = tenants.at(-1)!.id;
  }
}
