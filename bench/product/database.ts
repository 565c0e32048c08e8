import { bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';
import type { Servers } from './servers.ts';

const passwords = { gatepost_migrator: 'migrator', gatepost_api: 'api', gatepost_worker: 'worker' };

/** Creates a migrated database; answers how the API, the worker and a superuser reach it. */
export async function createDatabase({ superuserUrl }: Servers, database: string) {
  const urls = await bootstrapDatabase({ superuserUrl, database, passwords });
  await migrateToLatest(urls.gatepost_migrator);
  const superuser = new URL(superuserUrl);
  superuser.pathname = `/${database}`;
  return { api: urls.gatepost_api, worker: urls.gatepost_worker, superuser: superuser.href };
}
