import { openPool } from '../../db/pool.ts';
import { readWorkerConfig } from '../config.ts';
import { countKeys, rotateKeys } from '../rotate-keys.ts';
import { openEnvelopes } from '../wiring.ts';

const progressEveryMs = 1_000;
const mostShown = 20;

/** Wraps every envelope with the first key of the keyring; with `check` only counts. Exits 1 while another key is needed. */
export async function rotateKeysCommand(
  environment: NodeJS.ProcessEnv,
  { check: isCheck = false, batch }: { check?: boolean; batch?: number },
): Promise<void> {
  const config = readWorkerConfig(environment);
  const { currentKeyId } = config.GATEPOST_KEYS;
  const pool = openPool({
    connectionString: config.GATEPOST_WORKER_DATABASE_URL,
    max: 2,
    applicationName: 'gatepost-rotate-keys',
    onIdleError: () => {},
  });
  try {
    if (!isCheck) {
      const envelopes = openEnvelopes(config);
      const onProgress = sayNowAndThen();
      const { rewrapped, unopened } = await rotateKeys({ pool, envelopes, currentKeyId, batch, onProgress });
      say(`${rewrapped} envelopes were wrapped anew with ${currentKeyId}`);
      for (const { tenantId, where, key, code } of unopened.slice(0, mostShown))
        say(`cannot be opened (${code}): ${where} of tenant ${tenantId}, ${key.join(' ')}`);
      if (unopened.length > mostShown) say(`and ${unopened.length - mostShown} more`);
    }
    if ((await sayWhatIsLeft(pool, currentKeyId)) > 0) process.exitCode = 1;
  } finally {
    await pool.end();
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function sayNowAndThen(): (rewrapped: number) => void {
  let lastAt = Date.now();
  return (rewrapped) => {
    if (Date.now() - lastAt < progressEveryMs) return;
    lastAt = Date.now();
    say(`${rewrapped} so far`);
  };
}

async function sayWhatIsLeft(pool: Parameters<typeof countKeys>[0], currentKeyId: string): Promise<number> {
  const counts = await countKeys(pool);
  const left = counts.filter(({ keyId }) => keyId !== currentKeyId);
  for (const { keyId, where, count } of counts) say(`${keyId ?? 'no envelope'}: ${count} in ${where}`);
  const total = left.reduce((sum, { count }) => sum + count, 0);
  say(total === 0 ? `Nothing needs another key than ${currentKeyId}` : `${total} need another key`);
  return total;
}
