/** Places that the time zone database names without a region before them: older names, each a link to a place of today. */
const placesWithoutRegion: ReadonlySet<string> = new Set([
  ...['Cuba', 'Egypt', 'Eire', 'GB', 'GB-Eire', 'Hongkong', 'Iceland', 'Iran', 'Israel', 'Jamaica', 'Japan'],
  ...['Kwajalein', 'Libya', 'NZ', 'NZ-CHAT', 'Navajo', 'PRC', 'Poland', 'Portugal', 'ROC', 'ROK'],
  ...['Singapore', 'Turkey', 'W-SU'],
  // The American zones by both of their offsets: no places, but nobody can mistake what they mean.
  ...['EST5EDT', 'CST6CDT', 'MST7MDT', 'PST8PDT'],
]);

/** Names found to be known: to ask the runtime costs more than all the rest of resolving a wall clock. */
const known = new Set<string>();
/** More than there are zones; names come in any mixture of small and capital letters. */
const mostKnown = 1_000;

/**
 * Whether a name is a place of the IANA time zone database that this runtime knows, or UTC. Older names count
 * (`Asia/Calcutta`, `Japan`), and so do the fixed hours at sea (`Etc/GMT+12` is twelve hours behind UTC).
 */
export function isTimeZone(zone: string): boolean {
  if (known.has(zone)) return true;
  if (!isNameOfPlace(zone) || !isKnownToRuntime(zone)) return false;
  if (known.size < mostKnown) known.add(zone);
  return true;
}

function isKnownToRuntime(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/**
 * Offsets and abbreviations are no places: `+01:00` and `EST` know no daylight saving, `IST` is said in three countries,
 * and who says `CET` or `GMT` in summer may mean an hour later. The runtime knows many of them nevertheless, and the
 * `SystemV` names that the database has dropped.
 */
const isNameOfPlace = (zone: string): boolean =>
  zone === 'UTC' ||
  placesWithoutRegion.has(zone) ||
  (/^[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+$/.test(zone) && !/^systemv\//i.test(zone));
