import pg from 'pg';
import { openPool } from '../../db/pool.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { claim } from './claim.ts';

/**
 * One of many processes that claim the same publications, and that are killed meanwhile. Each is given stretches of
 * the list, and says which claims it has won, in a row of its own that no other claimer can overwrite.
 */
const { WORKER_URL, TENANT, LOG_URL } = process.env;

const pool = openPool({
  connectionString: WORKER_URL!,
  max: 1,
  applicationName: 'claimer',
  onIdleError() {},
});
const log = new pg.Client({ connectionString: LOG_URL });
await log.connect();
const database = forTenant(pool, TENANT!);

process.on('message', async (ids: string[]) => {
  const won: string[] = [];
  for (const id of ids) if (await claim(database, id)) won.push(id);
  // Wins are told in one statement: what a kill swallows is a claim nobody acted on, never a second one.
  await log.query('insert into claims_won (publication_id) select unnest($1::uuid[])', [won]);
  process.send!('done');
});
process.once('disconnect', () => process.exit(0));
process.send!('ready');
