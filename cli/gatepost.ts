import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { roles } from '../domain/post.ts';
import { ConfigError } from './config.ts';

/**
 * The `gatepost` command. Each subcommand loads what it needs when it runs, so that `--help` is quick and a broken
 * part does not break the others. Exit codes: 0 done, 1 failed, 2 used wrongly.
 */
const program = new Command('gatepost')
  .description('Durable-workflow orchestration for social posts')
  .showHelpAfterError()
  .exitOverride();

program
  .command('dev')
  .description('start the whole stack on this machine and stay up until Ctrl-C')
  .action(async () => (await import('./commands/dev.ts')).dev(process.env));

program
  .command('demo')
  .description('start the stack, run the example campaign, print its timeline, and stop')
  .option('--campaign <file>', 'the campaign to run', 'examples/campaign/campaign.yaml')
  .option('--keep', 'leave the stack up afterwards, until Ctrl-C')
  .action(async (options: { campaign: string; keep?: boolean }) =>
    (await import('./commands/demo.ts')).demo(process.env, options),
  );

program
  .command('token')
  .description('print a token for trying out the local API')
  .addOption(new Option('--role <role>').choices([...roles]).default('super_admin'))
  .option('--subject <subject>', 'whom the token stands for: a member`s subject', 'local-operator')
  .option(
    '--tenant <uuid>',
    'the tenant it is for; a super admin names the tenant in each call instead',
    parseUuid,
  )
  .option('--hours <hours>', 'how long it is valid', parseHours, 12)
  .action(async (options) => (await import('./commands/token.ts')).token(options));

program
  .command('replay')
  .description('replay workflow histories (JSON from the Web UI or the CLI) against the present code')
  .argument('<files...>')
  .action(async (files: string[]) => (await import('./commands/replay.ts')).replay(files));

program
  .command('migrate')
  .description('bring the database up to date')
  .option('--bootstrap', 'first create roles, database and extension, as a superuser')
  .action(async (options: { bootstrap?: boolean }) =>
    (await import('./commands/migrate.ts')).migrate(process.env, options),
  );

program
  .command('api')
  .description('run one process of the HTTP interface')
  .action(async () => (await import('./commands/run.ts')).runApi(process.env));

program
  .command('worker')
  .description('run one worker process')
  .option('--ready-file <path>', 'written when the worker polls, removed when it ends')
  .action(async (options: { readyFile?: string }) =>
    (await import('./commands/run.ts')).runWorker(process.env, options),
  );

program
  .command('sandbox')
  .description('run the fake platforms')
  .option('--port <port>', 'where to listen', parsePort, 4470)
  .option('--host <host>', 'the address to bind', '127.0.0.1')
  .option('--state-dir <folder>', 'where the ledger is kept', '.gatepost/sandbox')
  .option('--public-url <url>', 'how clients reach it, if not by host and port')
  .action(async (options) => (await import('./commands/run.ts')).runSandbox(options));

program
  .command('build-bundle')
  .description('bundle the workflow code into one file, for images')
  .argument('[file]', 'where to write it', 'dist/workflow-bundle.js')
  .action(async (file: string) => (await import('./commands/build-bundle.ts')).buildBundle(file));

program
  .command('rebuild-projection')
  .description("write the rows of a tenant's posts again from their runs' histories; needs a worker")
  .requiredOption('--tenant <id>', 'the tenant', parseUuid)
  .option('--post <id>', 'this post alone', parseUuid)
  .option('--check', 'only say what differs, and exit with 1 if anything does', false)
  .action(async (options) =>
    (await import('./commands/rebuild-projection.ts')).rebuildProjection(process.env, options),
  );

program
  .command('rotate-keys')
  .description('wrap every envelope with the first key of GATEPOST_KEYS, while everything runs')
  .option('--check', 'only count what each key opens, and exit with 1 if any but the first is needed')
  .option('--batch <rows>', 'how many rows are read at once', parseRows, 200)
  .action(async (options: { check?: boolean; batch: number }) =>
    (await import('./commands/rotate-keys.ts')).rotateKeysCommand(process.env, options),
  );

program
  .command('openapi')
  .description('write api/openapi.json from the schemas')
  .action(async () => (await import('../api/openapi.ts')).writeOpenApi());

program
  .command('platforms')
  .description('what each platform takes, as Markdown')
  .option('--markdown <file>', 'write the page there instead of printing it')
  .action(async (options: { markdown?: string }) =>
    (await import('./commands/platforms.ts')).printPlatforms(options.markdown),
  );

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('0 to 65535');
  return port;
}

function parseRows(text: string): number {
  const rows = Number(text);
  if (!Number.isInteger(rows) || rows < 1 || rows > 10_000) throw new InvalidArgumentError('1 to 10000');
  return rows;
}

function parseHours(text: string): number {
  const hours = Number(text);
  if (!Number.isFinite(hours) || hours <= 0 || hours > 24 * 365)
    throw new InvalidArgumentError('above 0, at most 8760');
  return hours;
}

function parseUuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new InvalidArgumentError('must be a UUID');
  return text;
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = reportFailure(error);
}

/** People get a sentence; a stack only where it is our bug. */
function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const expected = ['ConfigError', 'StackError', 'CampaignError', 'DemoError', 'UsageError'];
  const known = error instanceof ConfigError || (error instanceof Error && expected.includes(error.name));
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
