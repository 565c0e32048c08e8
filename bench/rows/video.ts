import { setTimeout as sleep } from 'node:timers/promises';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { residentMebibytes } from '../measure/processes.ts';
import { watch } from '../measure/watch.ts';
import { type StoredFilm, timeBareUpload, uploadFilm } from '../product/film.ts';
import { type Product, startProduct } from '../product/product.ts';
import {
  askSandbox,
  type BenchTenant,
  type ConnectedAccount,
  createTenant,
  createText,
  noGates,
  readLedger,
} from '../product/tenant.ts';
import { atMost, type Goal } from '../report/goals.ts';
import type { BenchContext, Figure, Row, RowFindings } from '../row.ts';
import { round, stopAfter } from './support.ts';

export const videoRow: Row = {
  name: 'video',
  title: 'A large video',
  method:
    'One film goes from the store to a channel of YouTube, in pieces of 8 MiB; once undisturbed while single texts of other ' +
    'accounts are due at a steady pace, and once more with the worker killed (SIGKILL) when half of it has arrived and another ' +
    'started at once. Time and bytes are the sandbox’s: from the opening of the upload to the answer to the last piece but ' +
    'one, and every piece that it read to its end. Memory is resident, sampled every 20 ms, above what the same worker held ' +
    'just before, when a small film and texts had passed through it. Floor: a bare loop that streams the same pieces from the ' +
    'store to a bare HTTP server, the mean of one before and one after.',
  measure,
};

const sizes = {
  full: { filmBytes: 1_000_000_000, textsEveryMs: 2_000 },
  // An upload of a second: several texts are to be due in it.
  quick: { filmBytes: 64_000_000, textsEveryMs: 200 },
};

const warmUpBytes = 40_000_000;
/** As the adapter has it. */
const pieceBytes = 8_388_608;
const dueAheadMs = 5_000;
/** Nothing is armed earlier than this before it is due. */
const earliestArmMs = 30_000;
const sampleEveryMs = 20;
const publishedWithinMs = 240_000;

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const { filmBytes, textsEveryMs } = options.quick ? sizes.quick : sizes.full;
  const megabytes = filmBytes / 1_000_000;
  const product = await startProduct(servers);
  return stopAfter([product], async () => {
    const tenant = await createTenant(product, { channels: 3, policy: noGates });
    const [warm, undisturbed, disturbed] = tenant.channels as [
      ConnectedAccount,
      ConnectedAccount,
      ConnectedAccount,
    ];
    report('  a small film warms the worker up');
    await publishFilm(product, tenant, warm, await uploadFilm(product, tenant, warmUpBytes));
    report(`  a film of ${megabytes} MB is taken`);
    const taken = await watchMemory(product.processes.api[0]!, () => uploadFilm(product, tenant, filmBytes));
    const film = taken.value;
    const floorBefore = await timeBareUpload(servers, film, pieceBytes);
    report('  it is uploaded while texts are due');
    const spanMs = dueAheadMs + floorBefore * 8_000 + 5_000;
    const count = Math.ceil(spanMs / textsEveryMs);
    const texts = await scheduleTexts(product, tenant, count, textsEveryMs);
    const { value: calm, seen } = await watch(product.processes, () =>
      watchMemory(product.worker!.processId, () => publishFilm(product, tenant, undisturbed, film)),
    );
    const upload = await readUpload(product, undisturbed);
    const lateness = await readLateness(product, texts, upload.startedAtMs, calm.value.publishedAtMs);
    report('  it is uploaded once more, and the worker is killed');
    const killed = await publishKilled(product, tenant, disturbed, film);
    const resumed = await readUpload(product, disturbed);
    const floorAfter = await timeBareUpload(servers, film, pieceBytes);
    const floorSeconds = (floorBefore + floorAfter) / 2;
    const memory = calm.aboveMebibytes(upload.startedAtMs, upload.endedAtMs);
    const seconds = (upload.endedAtMs - upload.startedAtMs) / 1000;
    const wrong =
      (await countWrong(product, undisturbed, film)) + (await countWrong(product, disturbed, film));
    return {
      figures: [
        figure('worker’s memory above idle while it uploads', 'MiB', memory, atMost(64)),
        besides(`${megabytes} MB uploaded`, 's', floorSeconds, seconds),
        besides(
          'of it, without the sandbox’s own time',
          's',
          floorSeconds,
          seconds - upload.answeringSeconds,
        ),
        besides('rate of the upload', 'MB/s', megabytes / floorSeconds, megabytes / seconds),
        figure('texts due meanwhile, latest', 'ms', lateness.latestMs, atMost(1_000)),
        figure(
          'worker killed: received by the platform',
          '× the film',
          resumed.receivedBytes / filmBytes,
          atMost(1.1),
        ),
        figure('films missing, twice, or with other bytes', 'films', wrong, atMost(0)),
      ],
      notes: [
        `Texts: ${lateness.during} were due between the opening of the upload and the publication, one each ${textsEveryMs} ms`,
        `Undisturbed: ${round(upload.receivedBytes / filmBytes)} × the film received in ${upload.pieces} pieces and ${upload.sessions} upload(s); ` +
          `the sandbox took ${round(upload.answeringSeconds)} s of its time to hash and keep what it had read`,
        `Killed at ${round((100 * killed.receivedBytes) / filmBytes)} %: ${resumed.pieces} pieces and ${resumed.sessions} upload(s); ` +
          `on its way again after ${round((resumed.firstAfter(killed.killedAtMs) - killed.killedAtMs) / 1000)} s, published after ${round((killed.publishedAtMs - killed.killedAtMs) / 1000)} s. ` +
          'What the sandbox had of the piece that was cut off is not counted: 8 MiB at most',
        `Worker: ${round(calm.idleMebibytes)} MiB before, most until the publication ${round(calm.aboveMebibytes(0, Number.POSITIVE_INFINITY))} MiB above it; ` +
          `API while it took the film: ${round(taken.aboveMebibytes(0, Number.POSITIVE_INFINITY))} MiB above idle`,
        `Until the publication the worker used ${round(seen.cpuMs.worker! / 1000)} s of CPU in ${round(seen.elapsedMs / 1000)} s; ` +
          `programs that are not ours used ${round(seen.noise.foreign * 100)} % of the machine`,
        `Floor (s), raw: ${round(floorBefore)}, ${round(floorAfter)}`,
      ],
      rounds: null,
    };
  });
}

const figure = (label: string, unit: string, service: number, goal: Goal): Figure => ({
  ...{ label, unit, floor: null, service, ratio: null, goal },
});

const besides = (label: string, unit: string, floor: number, service: number): Figure => ({
  ...{ label, unit, floor, service, ratio: service / floor, goal: null },
});

interface Watched<Value> {
  readonly value: Value;
  readonly idleMebibytes: number;
  /** The most between two instants, above what it held before the work. */
  readonly aboveMebibytes: (fromMs: number, toMs: number) => number;
}

/** Samples a process's resident memory while something is done. */
async function watchMemory<Value>(processId: number, work: () => Promise<Value>): Promise<Watched<Value>> {
  const idleMebibytes = residentMebibytes(processId);
  const samples: { atMs: number; mebibytes: number }[] = [];
  const take = () => samples.push({ atMs: Date.now(), mebibytes: residentMebibytes(processId) });
  const timer = setInterval(take, sampleEveryMs);
  const value = await work().finally(() => clearInterval(timer));
  take();
  return {
    ...{ value, idleMebibytes },
    aboveMebibytes: (fromMs, toMs) => {
      const within = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
      return Math.max(...within.map(({ mebibytes }) => mebibytes)) - idleMebibytes;
    },
  };
}

/** Schedules a film so that its upload begins at once; answers the post's id. */
async function submitFilm(
  product: Product,
  tenant: BenchTenant,
  { profileId }: ConnectedAccount,
  { mediaId }: StoredFilm,
): Promise<string> {
  const fields = {
    type: 'VIDEO',
    media: [{ mediaId }],
    targets: [{ profileId, title: 'A day at the bakery' }],
    dueAt: new Date(Date.now() + dueAheadMs).toISOString(),
  };
  return (await createText(product, tenant, { index: 0, fields })).id;
}

async function publishFilm(
  product: Product,
  tenant: BenchTenant,
  channel: ConnectedAccount,
  film: StoredFilm,
): Promise<{ publishedAtMs: number }> {
  const id = await submitFilm(product, tenant, channel, film);
  return { publishedAtMs: await waitUntilPublished(product, [id]) };
}

async function waitUntilPublished({ pool }: Product, ids: readonly string[]): Promise<number> {
  await until(
    'what was scheduled is published',
    publishedWithinMs,
    async () => {
      const { rows } = await pool.query<{ status: string; count: number }>(
        'select status, count(*)::int as count from posts where id = any($1) group by status',
        [ids],
      );
      const failed = rows.find(({ status }) => status === 'FAILED');
      if (failed) throw new Error(`${failed.count} of the posts failed`);
      return rows.some(({ status, count }) => status === 'PUBLISHED' && count === ids.length);
    },
    50,
  );
  return Date.now();
}

async function publishKilled(
  product: Product,
  tenant: BenchTenant,
  channel: ConnectedAccount,
  film: StoredFilm,
): Promise<{ receivedBytes: number; killedAtMs: number; publishedAtMs: number }> {
  const id = await submitFilm(product, tenant, channel, film);
  let receivedBytes = 0;
  await until(
    'half of the film has arrived',
    publishedWithinMs,
    async () => {
      ({ receivedBytes } = await readUpload(product, channel));
      return receivedBytes >= film.sizeBytes / 2;
    },
    5,
  );
  await product.worker!.kill();
  const killedAtMs = Date.now();
  ({ receivedBytes } = await readUpload(product, channel));
  if (receivedBytes > film.sizeBytes - 2 * pieceBytes)
    throw new Error(`The worker was killed too late: ${receivedBytes} bytes had arrived`);
  await product.startWorker();
  return { receivedBytes, killedAtMs, publishedAtMs: await waitUntilPublished(product, [id]) };
}

/** What the sandbox saw of a channel's upload. */
interface SeenUpload {
  readonly sessions: number;
  readonly pieces: number;
  /** With the last piece, which publishes. */
  readonly receivedBytes: number;
  readonly startedAtMs: number;
  /** When the last piece of the preparation was answered. */
  readonly endedAtMs: number;
  /** Seconds that the sandbox took to answer pieces that it had read. */
  readonly answeringSeconds: number;
  /** When the first piece arrived after an instant. */
  readonly firstAfter: (atMs: number) => number;
}

interface SeenRequest {
  readonly operation: string;
  readonly bodyBytes: number;
  readonly receivedAt: string;
  readonly answered?: { readonly durationMs: number };
}

async function readUpload({ sandboxUrl }: Product, { externalId }: ConnectedAccount): Promise<SeenUpload> {
  const path = `/requests?externalId=${externalId}`;
  const { requests } = (await askSandbox(sandboxUrl, path)) as { requests: SeenRequest[] };
  const named = (name: string) => requests.filter(({ operation }) => operation === `youtube.upload.${name}`);
  const [sessions, puts, finishes] = [named('start'), named('put'), named('finish')];
  const pieces = [...puts, ...finishes];
  const atMs = ({ receivedAt }: SeenRequest) => Date.parse(receivedAt);
  return {
    sessions: sessions.length,
    pieces: pieces.length,
    receivedBytes: pieces.reduce((total, { bodyBytes }) => total + bodyBytes, 0),
    startedAtMs: Math.min(...sessions.map(atMs)),
    endedAtMs: Math.max(...puts.map((put) => atMs(put) + (put.answered?.durationMs ?? 0))),
    answeringSeconds: puts.reduce((total, { answered }) => total + (answered?.durationMs ?? 0), 0) / 1000,
    firstAfter: (fromMs) => Math.min(...pieces.map(atMs).filter((at) => at > fromMs)),
  };
}

/** A channel of its own has one film, with the bytes that were uploaded. */
async function countWrong(
  { sandboxUrl }: Product,
  { externalId }: ConnectedAccount,
  { sha256 }: StoredFilm,
): Promise<number> {
  const films = (await readLedger(sandboxUrl)).filter((entry) => entry.externalId === externalId);
  const others = films.filter(({ media }) => media[0]?.sha256 !== sha256);
  return Math.abs(films.length - 1) + others.length;
}

interface Texts {
  readonly ids: readonly string[];
  readonly dueTimes: readonly number[];
}

/** Texts that are due one after the other, on accounts in turn; answers when the first is about to be. */
async function scheduleTexts(
  product: Product,
  tenant: BenchTenant,
  count: number,
  everyMs: number,
): Promise<Texts> {
  const firstAtMs = Date.now() + earliestArmMs + 5_000;
  const dueTimes = Array.from({ length: count }, (_, index) => firstAtMs + index * everyMs);
  const ids: string[] = [];
  const created = await closedLoop({ count, concurrency: 8 }, async (index) => {
    const dueAt = new Date(dueTimes[index]!).toISOString();
    ids[index] = (await createText(product, tenant, { index, fields: { dueAt } })).id;
  });
  expectNoErrors('Creating posts', created);
  // The first two are sent before anything is measured: a worker that has sent texts is an idle one here.
  await sleep(Math.max(0, firstAtMs + everyMs + 500 - Date.now()));
  return { ids, dueTimes };
}

/** Of the texts that were due between two instants, by the sandbox's ledger. */
async function readLateness(
  product: Product,
  { ids, dueTimes }: Texts,
  fromMs: number,
  toMs: number,
): Promise<{ latestMs: number; during: number }> {
  await waitUntilPublished(product, ids);
  const { rows } = await product.pool.query<{ post_id: string; public_id: string }>(
    'select post_id, public_id from publications where post_id = any($1)',
    [ids],
  );
  const publicIds = new Map(rows.map((row) => [row.post_id, row.public_id]));
  const arrivals = new Map(
    (await readLedger(product.sandboxUrl)).map((entry) => [entry.publicId, Date.parse(entry.receivedAt)]),
  );
  const lateMs = ids.flatMap((id, index) => {
    const dueAtMs = dueTimes[index]!;
    return dueAtMs >= fromMs && dueAtMs <= toMs ? [arrivals.get(publicIds.get(id)!)! - dueAtMs] : [];
  });
  if (lateMs.length === 0) throw new Error('No text was due while the film was uploaded');
  return { latestMs: Math.max(...lateMs), during: lateMs.length };
}
