/** Whether a name is a place of the IANA time zone database that this runtime knows, or UTC. */
export function isTimeZone(zone: string): boolean {
  // Offsets and abbreviations are no places: they know no daylight saving.
  if (zone !== 'UTC' && !/^[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+$/.test(zone)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
