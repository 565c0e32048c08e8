import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { createPayloadCodec } from '../../adapters/secrets/payload-codec.ts';
import { countKeys, rotateKeys } from '../../cli/rotate-keys.ts';
import { payloadKeys } from '../../cli/wiring.ts';
import { type EnvelopeColumn, envelopeColumns, replaceEnvelope } from '../../db/envelopes.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { type Fixture, insertPosts, insertTenant, startFixture } from '../db/fixture.ts';

const keys = { old: randomBytes(32), new: randomBytes(32) };
const oldFirst = createEnvelopes({ currentKeyId: 'old', keys });
const newFirst = createEnvelopes({ currentKeyId: 'new', keys });
const newAlone = createEnvelopes({ currentKeyId: 'new', keys: { new: keys.new } });

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
  // The fixtures' own rows hold something made up.
  await fixture.superuser.query('delete from profiles; delete from grants');
});
afterAll(() => fixture.stop());

/** A tenant without the rows that the fixtures give it. */
async function insertBareTenant(): Promise<{ tenantId: string; memberId: string }> {
  const tenant = await insertTenant(fixture.apiPool);
  await fixture.superuser.query('delete from profiles where tenant_id = $1', [tenant.tenantId]);
  await fixture.superuser.query('delete from grants where tenant_id = $1', [tenant.tenantId]);
  return tenant;
}

interface Cell {
  readonly tenantId: string;
  readonly column: EnvelopeColumn;
  readonly key: readonly string[];
  /** What it holds when opened; a writer may change it. */
  value: string;
}

const contextOf = ({ tenantId, column, key }: Cell) => ({
  ...{ tenantId, table: column.table, column: column.column },
  rowId: (column.rowIdOf ?? ((id: string) => id))(...(key as [string])),
});
const seal = (cell: Cell, envelopes = oldFirst) => envelopes.seal(cell.value, contextOf(cell));
const whereKey = ({ column: { key } }: Cell, from = 2) =>
  ['tenant_id', ...key].map((name, index) => `${name} = $${index + from}`).join(' and ');

async function sealedIn(cell: Cell): Promise<Buffer> {
  const { table, column } = cell.column;
  const { rows } = await fixture.superuser.query(
    `select ${column} as sealed from ${table} where ${whereKey(cell, 1)}`,
    [cell.tenantId, ...cell.key],
  );
  return rows[0].sealed;
}
const write = (cell: Cell, envelopes = oldFirst): Promise<unknown> =>
  fixture.superuser.query(
    `update ${cell.column.table} set ${cell.column.column} = $1 where ${whereKey(cell)}`,
    [seal(cell, envelopes), cell.tenantId, ...cell.key],
  );

/** Fills every column that holds envelopes with as many values of a tenant, sealed under the old key. */
async function fillTenant(tenant: { tenantId: string; memberId: string }, count: number): Promise<Cell[]> {
  const { superuser } = fixture;
  const { tenantId, memberId } = tenant;
  const grantIds = Array.from({ length: count }, () => randomUUID());
  const profileId = grantIds[0]!;
  const rows = `unnest($2::uuid[]) id`;
  const insert = (text: string, values: unknown[] = []) =>
    superuser.query(text, [tenantId, grantIds, ...values]);
  await insert(
    `insert into grants (tenant_id, id, platform, access_token) select $1, id, 'linkedin', '' from ${rows}`,
  );
  await insert(
    `insert into profiles (tenant_id, id, grant_id, platform, account_kind, external_id, name)
     select $1, id, id, 'linkedin', 'organization', id::text, 'Acme' from ${rows}`,
  );
  await insert(
    `insert into platform_apps (tenant_id, id, platform, name, client_id, client_secret, redirect_uri)
     select $1, id, 'linkedin', id::text, id::text, '', 'https://a.test/' || id from ${rows}`,
  );
  await insert(
    `insert into oauth_states (tenant_id, id, state_hash, app_id, subject, redirect_uri, expires_at)
     select $1, id, sha256(id::text::bytea), id, 'ada', 'https://a.test', now() from ${rows}`,
  );
  await insert(
    `insert into connections (tenant_id, id, app_id, platform, subject, code_hash, accounts, expires_at)
     select $1, id, id, 'linkedin', 'ada', sha256(id::text::bytea), '[]', now() from ${rows}`,
  );
  await insert(
    `insert into media (tenant_id, id, file_name, upload_key, created_by, source_url)
     select $1, id, 'a', 'a', $3, '' from ${rows}`,
    [memberId],
  );
  await insert(`insert into tenant_keys (tenant_id, id, wrapped_key) select $1, id, '' from ${rows}`);
  await insert(
    `insert into idempotency_keys (tenant_id, subject, route, key, body_hash, claimed_until, response)
     select $1, 'ada', 'post /posts', id::text, 'h', now(), '' from ${rows}`,
  );
  const posts = await insertPosts({ superuser, tenantId, memberId, profileId }, count);
  for (const { targetId, revisionId } of posts)
    await superuser.query(
      `insert into preparations (tenant_id, target_id, revision_id, secret, progress) values ($1, $2, $3, '', '')`,
      [tenantId, targetId, revisionId],
    );
  const keysOf = ({ table }: EnvelopeColumn): string[][] => {
    if (table === 'preparations') return posts.map(({ targetId, revisionId }) => [targetId, revisionId]);
    if (table === 'idempotency_keys') return grantIds.map((id) => ['ada', 'post /posts', id]);
    return grantIds.map((id) => [id]);
  };
  const cells = envelopeColumns.flatMap((column) =>
    keysOf(column).map((key) => ({ tenantId, column, key, value: `secret ${randomUUID()}` })),
  );
  for (const cell of cells) await write(cell);
  return cells;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
/** The command as an operator runs it. */
function startCommand(...args: string[]): { child: ChildProcess; ended: Promise<[number | null, string]> } {
  const child = spawn(process.execPath, ['--import', tsx, `${root}cli/gatepost.ts`, 'rotate-keys', ...args], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      GATEPOST_KEYS: `new:${keys.new.toString('base64')},old:${keys.old.toString('base64')}`,
      GATEPOST_WORKER_DATABASE_URL: fixture.database.workerUrl,
      TEMPORAL_ADDRESS: '127.0.0.1:9',
      S3_ENDPOINT: 'http://127.0.0.1:9',
      S3_ACCESS_KEY_ID: 'none',
      S3_SECRET_ACCESS_KEY: 'none',
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  return { child, ended: new Promise((done) => child.once('close', (code) => done([code, output]))) };
}
const leftUnderOld = async (): Promise<number> =>
  (await countKeys(fixture.workerPool))
    .filter(({ keyId }) => keyId !== 'new')
    .reduce((sum, { count }) => sum + count, 0);

test('the list names every column that may hold envelopes, with the key of its rows', async () => {
  const { rows } = await fixture.superuser.query(
    `select c.relname as table, a.attname as column, (
       select array_agg(k.attname::text order by n.place)
       from pg_index i, unnest(i.indkey) with ordinality n(attnum, place)
       join pg_attribute k on k.attnum = n.attnum
       where i.indrelid = c.oid and i.indisprimary and k.attrelid = c.oid) as key
     from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.atttypid = 'bytea'::regtype
       and a.attnum > 0 and not a.attisdropped and a.attname not in ('state_hash', 'code_hash')`,
  );
  const listed = envelopeColumns.map(({ table, column, key }) => ({
    ...{ table, column },
    key: ['tenant_id', ...key],
  }));
  const byName = (one: { table: string; column: string }, other: { table: string; column: string }) =>
    `${one.table}.${one.column}`.localeCompare(`${other.table}.${other.column}`);
  expect(listed.toSorted(byName)).toEqual(rows.toSorted(byName));
});

test('changes the key under load, killed half-way and started again, and nothing fails', async () => {
  const tenants = [fixture, await insertBareTenant(), await insertBareTenant()];
  const cells: Cell[] = [];
  for (const tenant of tenants) cells.push(...(await fillTenant(tenant, 70)));
  const total = cells.length;
  expect(total).toBe(3 * 70 * envelopeColumns.length);
  expect(await leftUnderOld()).toBe(total);

  // Meanwhile rows are read and written by those who seal with the new key, and by one who is not up to date yet.
  const tally = { reads: 0, writes: 0, failures: [] as unknown[] };
  let isOver = false;
  let writesOld = true;
  const work = async (worker: number): Promise<void> => {
    // Everybody has rows of their own to write.
    const own = cells.filter((_, index) => index % 4 === worker);
    for (let turn = 0; !isOver; turn += 1) {
      const cell = own[(turn * 37) % own.length]!;
      try {
        if (turn % 3 === 0) {
          cell.value = `secret ${randomUUID()}`;
          await write(cell, worker === 0 && writesOld ? oldFirst : newFirst);
          tally.writes += 1;
        }
        expect(newFirst.open(await sealedIn(cell), contextOf(cell))).toBe(cell.value);
        tally.reads += 1;
      } catch (error) {
        tally.failures.push(error);
      }
      await sleep(1);
    }
  };
  const load = [0, 1, 2, 3].map(work);

  const first = startCommand('--batch', '10');
  while ((await leftUnderOld()) > total * 0.7) await sleep(5);
  first.child.kill('SIGKILL');
  await first.ended;
  const left = await leftUnderOld();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(total);
  const [uncheckedCode, unchecked] = await startCommand('--check').ended;
  expect([uncheckedCode, unchecked]).toEqual([1, expect.stringMatching(/\d+ need another key\n$/)]);
  writesOld = false;
  await sleep(50);
  const [code, output] = await startCommand('--batch', '10').ended;
  isOver = true;
  await Promise.all(load);

  expect([code, output]).toEqual([0, expect.stringContaining('Nothing needs another key than new')]);
  expect(tally.failures).toEqual([]);
  expect(tally.reads).toBeGreaterThan(100);
  expect(tally.writes).toBeGreaterThan(50);
  expect(await leftUnderOld()).toBe(0);
  for (const cell of cells) expect(newAlone.open(await sealedIn(cell), contextOf(cell))).toBe(cell.value);
  expect((await startCommand('--check').ended)[0]).toBe(0);
  console.log(
    `${total} envelopes, ${left} left when it was killed; ${tally.reads} reads, ${tally.writes} writes`,
  );
}, 120_000);

test("a payload that was written under the old key is read under the new one, by the tenant's own key", async () => {
  const { tenantId } = await insertBareTenant();
  const codecWith = (currentKeyId: 'old' | 'new', ring: Record<string, Uint8Array>) => {
    const GATEPOST_KEYS = { currentKeyId, keys: ring };
    return createPayloadCodec(
      payloadKeys({ GATEPOST_KEYS }, fixture.workerPool, createEnvelopes(GATEPOST_KEYS)),
    );
  };
  const context = {
    type: 'workflow',
    namespace: 'n',
    workflowId: postWorkflowId(tenantId, randomUUID()),
  } as const;
  const payload = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('"Hello"') };
  const encoded = await codecWith('old', keys).encode([payload], context);
  const rotation = { pool: fixture.workerPool, envelopes: newFirst, currentKeyId: 'new' };
  expect(await rotateKeys(rotation)).toEqual({ rewrapped: 1, unopened: [] });
  const [decoded] = await codecWith('new', { new: keys.new }).decode(encoded, context);
  expect(Buffer.from(decoded!.data!).toString()).toBe('"Hello"');
  // The system's own have no key in a row: they need the key they were written with.
  const ofSystem = await codecWith('old', keys).encode([payload]);
  await expect(codecWith('new', { new: keys.new }).decode(ofSystem)).rejects.toThrow(
    /Key old of tenant system/,
  );
  expect(await codecWith('new', keys).decode(ofSystem)).toHaveLength(1);
});

test('keeps what was written between its look and its own write', async () => {
  const { tenantId, memberId } = await insertBareTenant();
  const [cell] = await fillTenant({ tenantId, memberId }, 1);
  const read = await sealedIn(cell!);
  cell!.value = 'written meanwhile';
  await write(cell!);
  const row = { key: cell!.key, sealed: read };
  const rewrapped = newFirst.rewrap(read, contextOf(cell!));
  const database = forTenant(fixture.workerPool, tenantId);
  expect(await replaceEnvelope(database, cell!.column, row, rewrapped)).toBe(false);
  expect(oldFirst.open(await sealedIn(cell!), contextOf(cell!))).toBe('written meanwhile');
  await rotateKeys({ pool: fixture.workerPool, envelopes: newFirst, currentKeyId: 'new' });
});

test('names what no key opens, wraps the rest, and does not end well', async () => {
  const tenant = await insertBareTenant();
  const cells = await fillTenant(tenant, 2);
  const [lost, foreign, broken, ...sound] = cells as [Cell, Cell, Cell, ...Cell[]];
  const lostKey = createEnvelopes({ currentKeyId: 'lost', keys: { lost: randomBytes(32) } });
  await write(lost, lostKey);
  const elsewhere = oldFirst.seal('stolen', { ...contextOf(foreign), rowId: randomUUID() });
  const put = (cell: Cell, bytes: Buffer) =>
    fixture.superuser.query(
      `update ${cell.column.table} set ${cell.column.column} = $1 where ${whereKey(cell)}`,
      [bytes, cell.tenantId, ...cell.key],
    );
  await put(foreign, elsewhere);
  await put(broken, Buffer.from([1, 200]));
  const [code, output] = await startCommand('--batch', '1').ended;
  expect(code).toBe(1);
  for (const [cell, why] of [
    [lost, 'unknown-key'],
    [foreign, 'not-authentic'],
    [broken, 'malformed'],
  ] as const) {
    const { table, column } = cell.column;
    expect(output).toContain(
      `cannot be opened (${why}): ${table}.${column} of tenant ${tenant.tenantId}, ${cell.key.join(' ')}`,
    );
  }
  expect(output).toContain('3 need another key');
  for (const cell of sound) expect(newAlone.open(await sealedIn(cell), contextOf(cell))).toBe(cell.value);
}, 60_000);
