import { type ChildProcess, fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type pg from 'pg';
import { seededRandom } from '../../test/support/random.ts';
import { compiledPath } from '../product/build.ts';

const claimers = 16;
/** Rows that are handed out at once. */
const stretch = 50;
/** Each stretch is claimed by as many claimers at the same time. */
const rivals = 2;

export interface Contention {
  readonly seed: number;
  readonly rows: number;
  readonly claimers: number;
  readonly kills: number;
  /** Wins that claimers noted before they were killed. */
  readonly noted: number;
  readonly sending: number;
  readonly left: number;
  readonly claimedTwice: number;
}

export interface ContendOptions {
  readonly superuser: pg.Pool;
  readonly urls: { readonly worker: string; readonly superuser: string };
  readonly tenantId: string;
  readonly ids: readonly string[];
  readonly report: (line: string) => void;
}

/**
 * Lets many processes claim the same rows, and kills them at random while they do. A trigger notes each change into
 * SENDING, so that a second claim of a row shows even when the winner died before it could say so.
 */
export async function contend(options: ContendOptions): Promise<Contention> {
  const { superuser, ids, report } = options;
  const seed = randomInt(1_000_000_000);
  report(`  ${claimers} claimers over ${ids.length} rows, killed at random (seed ${seed})`);
  await prepare(superuser);
  const kills = await claimAll(options, seededRandom(seed));
  const { rows } = await superuser.query(
    `select
      (select count(*)::int from claims_won) as noted,
      (select count(*)::int from publications where state = 'SENDING' and id = any($1)) as sending,
      (select count(*)::int from publications where state = 'ARMED' and id = any($1)) as left,
      (select count(*)::int from (select publication_id from claims_seen group by 1 having count(*) > 1) twice)
        + (select count(*)::int from (select publication_id from claims_won group by 1 having count(*) > 1) twice)
        as "claimedTwice"`,
    [ids],
  );
  return { seed, rows: ids.length, claimers, kills, ...rows[0] };
}

async function prepare(superuser: pg.Pool): Promise<void> {
  await superuser.query(`
    create table claims_won (publication_id uuid not null);
    create table claims_seen (publication_id uuid not null);
    create function note_claim() returns trigger language plpgsql security definer as $$
      begin insert into claims_seen values (new.id); return null; end $$;
    create trigger note_claim after update on publications for each row
      when (new.state = 'SENDING') execute function note_claim()`);
}

/** Hands every stretch to two claimers at a time until all is claimed; answers how many claimers were killed. */
async function claimAll({ ids, urls, tenantId }: ContendOptions, random: () => number): Promise<number> {
  const env = { PATH: process.env.PATH, WORKER_URL: urls.worker, LOG_URL: urls.superuser, TENANT: tenantId };
  const start = () => startClaimer(env);
  let kills = 0;
  let next = 0;
  const pair = async () => {
    const pairOfClaimers = await Promise.all(Array.from({ length: rivals }, start));
    while (next < ids.length) {
      const part = ids.slice(next, next + stretch);
      next += stretch;
      const doomed = random() < 0.05 ? Math.floor(random() * rivals) : -1;
      const after = random() * 30;
      await Promise.all(
        pairOfClaimers.map(async (claimer, index) => {
          const survived = await claimer.work(part, index === doomed ? after : null);
          if (survived) return;
          kills += 1;
          pairOfClaimers[index] = await start();
        }),
      );
    }
    for (const claimer of pairOfClaimers) await claimer.kill();
  };
  await Promise.all(Array.from({ length: claimers / rivals }, pair));
  return kills;
}

interface Claimer {
  /** Whether it finished; `killAfterMs` ends it on the way. */
  readonly work: (ids: readonly string[], killAfterMs: number | null) => Promise<boolean>;
  readonly kill: () => Promise<void>;
}

async function startClaimer(env: NodeJS.ProcessEnv): Promise<Claimer> {
  const child = fork(compiledPath('product/claimer.js'), {
    env,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await answer(child, exited);
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  return {
    kill,
    work: async (ids, killAfterMs) => {
      const done = answer(child, exited);
      child.send(ids);
      if (killAfterMs !== null) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
      if (!(await done)) return false;
      // It may have been doomed and yet been done before.
      if (killAfterMs === null) return true;
      await kill();
      return false;
    },
  };
}

/** Whether it answered, rather than ended. */
const answer = (child: ChildProcess, exited: Promise<void>): Promise<boolean> =>
  Promise.race([
    new Promise<boolean>((resolve) => child.once('message', () => resolve(true))),
    exited.then(() => false),
  ]);
