import { isInstantOf, resolveWallClock, type WallClock, wallClockAt } from '../../domain/wall-clock.ts';
import { type Change, listChanges, readBriefly } from '../domain/zone-oracle.ts';
import {
  approve,
  connectProfile,
  createPost,
  type LedgerEntry,
  ledgerOf,
  startPost,
  startWorld,
  type World,
} from '../support/world.ts';

/*
 * Due times where calendars and clocks are awkward, from the wall clock a person names to the entry in the platform's
 * ledger. What the clocks show is read from the other source than the one that computes it.
 */

let world: World;
beforeAll(async () => {
  // Several posts move at one instant.
  world = await startWorld();
});
afterAll(async () => {
  await world?.stop();
});

const [minute, day] = [60_000, 86_400_000];
const localOf = (localAsUtcMs: number): string => new Date(localAsUtcMs).toISOString().slice(0, 16);

interface Due {
  readonly wallClock: WallClock;
  /** The instant the platform must get the post at, by the other way to it. */
  readonly atMs: number;
  /** What clocks there show then. */
  readonly shown: string;
}

/** The middle of the next time that the clocks of a zone skip: as much later as they are put forward. */
function inNextGap(zone: string, changes: readonly Change[]): Due {
  const { atMs, beforeMs, afterMs } = changes.find((change) => change.afterMs > change.beforeMs)!;
  const intoMs = (afterMs - beforeMs) / 2;
  const local = localOf(atMs + beforeMs + intoMs);
  return { wallClock: { local, zone }, atMs: atMs + intoMs, shown: readBriefly(zone, atMs + intoMs) };
}

/** The middle of the next time that the clocks of a zone show twice: the first time, or the second. */
function inNextOverlap(zone: string, changes: readonly Change[], time: 'first' | 'second'): Due {
  const { atMs, beforeMs, afterMs } = changes.find((change) => change.afterMs < change.beforeMs)!;
  const halfMs = (beforeMs - afterMs) / 2;
  const local = localOf(atMs + afterMs + halfMs);
  return { wallClock: { local, zone }, atMs: time === 'first' ? atMs - halfMs : atMs + halfMs, shown: local };
}

function nextLeapYear(year: number): number {
  return new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1 ? year : nextLeapYear(year + 1);
}

async function dueTimes(): Promise<Record<string, Due>> {
  const now = await world.now();
  const year = new Date(now).getUTCFullYear();
  const changesOf = (zone: string) => listChanges(zone, now + day, now + 500 * day);
  const [berlin, newYork, lordHowe] = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'];
  const leapYear = nextLeapYear(year + 1);
  const exactly = (zone: string, local: string, utc: string): Due => ({
    ...{ wallClock: { local, zone }, atMs: Date.parse(utc), shown: local },
  });
  return {
    'an hour that Berlin skips': inNextGap(berlin, changesOf(berlin)),
    'an hour that New York skips': inNextGap(newYork, changesOf(newYork)),
    'half an hour that Lord Howe skips': inNextGap(lordHowe, changesOf(lordHowe)),
    'an hour that Berlin sees twice, its first time': inNextOverlap(berlin, changesOf(berlin), 'first'),
    'an hour that Berlin sees twice, its second time': inNextOverlap(berlin, changesOf(berlin), 'second'),
    'an hour that New York sees twice': inNextOverlap(newYork, changesOf(newYork), 'first'),
    'half an hour that Lord Howe sees twice': inNextOverlap(lordHowe, changesOf(lordHowe), 'first'),
    'a leap day in Kolkata': exactly(
      'Asia/Kolkata',
      `${leapYear}-02-29T00:15`,
      `${leapYear}-02-28T18:45:00Z`,
    ),
    'the first minute of a year, 14 hours ahead': exactly(
      'Pacific/Kiritimati',
      `${year + 1}-01-01T00:00`,
      `${year}-12-31T10:00:00Z`,
    ),
    'the last minute of a year, 12 hours behind': exactly(
      'Etc/GMT+12',
      `${year}-12-31T23:59`,
      `${year + 1}-01-01T11:59:00Z`,
    ),
  };
}

test('each post goes out when the clocks of its zone show the due time, and never before', async () => {
  const cases = Object.entries(await dueTimes()).sort(([, left], [, right]) => left.atMs - right.atMs);
  const started = [];
  for (const [name, due] of cases) {
    const { wallClock, atMs } = due;
    const resolved = resolveWallClock(wallClock);
    // Of a doubled hour a caller may mean the second time, and says so by the instant beside the wall clock.
    const dueAtMs = name.endsWith('second time') ? atMs : resolved.atMs;
    expect([name, dueAtMs, isInstantOf(dueAtMs, wallClock)]).toEqual([name, atMs, true]);
    const profile = await connectProfile(world);
    const post = await createPost(world, [profile], { copy: name, dueAtMs });
    await startPost(world, post);
    started.push({ name, due, post, profile });
    await approve(world, post.postId, ['content', 'publish']);
  }
  const sent: { name: string; entries: LedgerEntry[]; due: Due }[] = [];
  for (const { name, due, post, profile } of started) {
    await world.ended(post);
    sent.push({ name, due, entries: await ledgerOf(world, profile.externalId) });
  }
  const seen = sent.map(({ name, due, entries }) => {
    const receivedAtMs = entries.map((entry) => Date.parse(entry.receivedAt));
    return {
      name,
      texts: entries.map((entry) => entry.text),
      early: receivedAtMs.filter((atMs) => atMs < due.atMs),
      overAMinuteLate: receivedAtMs.filter((atMs) => atMs >= due.atMs + minute),
      clock: receivedAtMs.map((atMs) => readBriefly(due.wallClock.zone, atMs).slice(0, 16)),
      shown: receivedAtMs.map((atMs) => wallClockAt(atMs, due.wallClock.zone).slice(0, 16)),
    };
  });
  const expected = sent.map(({ name, due: { shown } }) => ({
    ...{ name, texts: [name], early: [], overAMinuteLate: [], clock: [shown], shown: [shown] },
  }));
  expect(seen).toEqual(expected);
}, 120_000);
