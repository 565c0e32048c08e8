import { z } from 'zod';
import { bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';
import { ConfigError, type Environment } from '../config.ts';

const bootstrapSchema = z.object({
  GATEPOST_SUPERUSER_DATABASE_URL: z.url({ error: 'must be a postgres:// address of a superuser' }),
  GATEPOST_DATABASE: z.string().min(1).default('gatepost'),
  GATEPOST_MIGRATOR_PASSWORD: z.string({ error: 'is missing' }).min(8, 'needs at least 8 characters'),
  GATEPOST_API_PASSWORD: z.string({ error: 'is missing' }).min(8, 'needs at least 8 characters'),
  GATEPOST_WORKER_PASSWORD: z.string({ error: 'is missing' }).min(8, 'needs at least 8 characters'),
});
const migrateSchema = z.object({
  GATEPOST_MIGRATOR_DATABASE_URL: z.url({ error: 'must be a postgres:// address of gatepost_migrator' }),
});

/** Applies what has not been applied; with `--bootstrap`, creates roles, database and extension before. Repeatable. */
export async function migrate(environment: Environment, options: { bootstrap?: boolean }): Promise<void> {
  const migratorUrl = options.bootstrap
    ? await bootstrap(parse(bootstrapSchema, environment))
    : parse(migrateSchema, environment).GATEPOST_MIGRATOR_DATABASE_URL;
  const applied = await migrateToLatest(migratorUrl);
  process.stdout.write(
    applied.length > 0 ? `Applied: ${applied.join(', ')}\n` : 'The database is up to date\n',
  );
}

async function bootstrap(settings: z.infer<typeof bootstrapSchema>): Promise<string> {
  const urls = await bootstrapDatabase({
    superuserUrl: settings.GATEPOST_SUPERUSER_DATABASE_URL,
    database: settings.GATEPOST_DATABASE,
    passwords: {
      gatepost_migrator: settings.GATEPOST_MIGRATOR_PASSWORD,
      gatepost_api: settings.GATEPOST_API_PASSWORD,
      gatepost_worker: settings.GATEPOST_WORKER_PASSWORD,
    },
  });
  return urls.gatepost_migrator;
}

function parse<Schema extends z.ZodType>(schema: Schema, environment: Environment): z.infer<Schema> {
  const result = schema.safeParse(environment);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigError(`The configuration is not usable:\n${lines.join('\n')}`);
}
