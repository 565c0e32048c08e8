import { type RawBuilder, sql } from 'kysely';
import { digestOf } from '../domain/digest.ts';
import type { TenantDatabase } from './tenant-database.ts';

/** A column that holds envelopes. */
export interface EnvelopeColumn {
  readonly table: string;
  readonly column: string;
  /** The rest of the primary key, after the tenant. */
  readonly key: readonly [string, ...string[]];
  /** The row id that an envelope is bound to, from its key (default: the only part there is). */
  readonly rowIdOf?: (...key: string[]) => string;
}

const byTarget = { key: ['target_id', 'revision_id'], rowIdOf: (targetId: string) => targetId } as const;

/** Every column that holds envelopes: what a change of keys must reach. A test compares it with the catalogue. */
export const envelopeColumns: readonly EnvelopeColumn[] = [
  { table: 'tenant_keys', column: 'wrapped_key', key: ['id'] },
  { table: 'platform_apps', column: 'client_secret', key: ['id'] },
  { table: 'oauth_states', column: 'verifier', key: ['id'] },
  { table: 'connections', column: 'tokens', key: ['id'] },
  { table: 'connections', column: 'page_tokens', key: ['id'] },
  { table: 'grants', column: 'access_token', key: ['id'] },
  { table: 'grants', column: 'refresh_token', key: ['id'] },
  { table: 'profiles', column: 'access_token', key: ['id'] },
  { table: 'media', column: 'source_url', key: ['id'] },
  { table: 'preparations', column: 'secret', ...byTarget },
  { table: 'preparations', column: 'progress', ...byTarget },
  { table: 'idempotency_keys', column: 'response', key: ['subject', 'route', 'key'], rowIdOf: digestOf },
];

export interface SealedRow {
  readonly key: readonly string[];
  readonly sealed: Buffer;
}

/** The id of the key an envelope is wrapped with, as bytes; null for what is no envelope. */
const keyIdIn = ({ column }: EnvelopeColumn): RawBuilder<Buffer | null> => {
  const value = sql.ref(column);
  return sql`case when length(${value}) > 2 and get_byte(${value}, 0) = 1
    then substring(${value} from 3 for get_byte(${value}, 1)) end`;
};

/** How many of the tenant's envelopes in a column are wrapped with each key; `null` for what is no envelope. */
export async function countEnvelopes(
  database: TenantDatabase,
  column: EnvelopeColumn,
): Promise<{ keyId: string | null; count: number }[]> {
  const { rows } = await sql<{ keyId: Buffer | null; count: number }>`
    select ${keyIdIn(column)} as "keyId", count(*) as count from ${sql.table(column.table)}
    where ${sql.ref(column.column)} is not null group by 1`.execute(database);
  return rows.map(({ keyId, count }) => ({ keyId: keyId?.toString('utf8') ?? null, count }));
}

/** Lists the tenant's envelopes in a column that are wrapped with another key than `keyId`, by key, after `after`. */
export async function listEnvelopesOfOtherKeys(
  database: TenantDatabase,
  column: EnvelopeColumn,
  { keyId, after, limit }: { keyId: string; after: readonly string[] | null; limit: number },
): Promise<SealedRow[]> {
  const key = sql.join(column.key.map((name) => sql.ref(name)));
  const isAfter = after ? sql`(${key}) > (${sql.join(after)})` : sql`true`;
  const { rows } = await sql<Record<string, string> & { sealed: Buffer }>`
    select ${key}, ${sql.ref(column.column)} as sealed from ${sql.table(column.table)}
    where ${sql.ref(column.column)} is not null and ${keyIdIn(column)} is distinct from ${Buffer.from(keyId)}
      and ${isAfter}
    order by ${key} limit ${limit}`.execute(database);
  return rows.map((row) => ({ key: column.key.map((name) => row[name]!), sealed: row.sealed }));
}

/** Puts an envelope in the place of the one that was read; answers `false` when something else is there by now. */
export async function replaceEnvelope(
  database: TenantDatabase,
  column: EnvelopeColumn,
  { key, sealed }: SealedRow,
  rewrapped: Buffer,
): Promise<boolean> {
  const isRow = column.key.map((name, index) => sql`${sql.ref(name)} = ${key[index]}`);
  const value = sql.ref(column.column);
  const { numAffectedRows } = await sql`
    update ${sql.table(column.table)} set ${value} = ${rewrapped}
    where ${sql.join(isRow, sql` and `)} and ${value} = ${sealed}`.execute(database);
  return (numAffectedRows ?? 0n) > 0n;
}
