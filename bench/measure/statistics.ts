/** The value that `share` of the values do not exceed (nearest rank); `NaN` of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The middle value; between the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length / 2;
  const [lower, upper] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return lower === undefined || upper === undefined ? Number.NaN : (lower + upper) / 2;
}

export const mean = (values: readonly number[]): number => sum(values) / values.length;

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The usual three of a list of latencies. */
export const latencyFigures = (values: readonly number[]) => ({
  p50Ms: percentile(values, 0.5),
  p99Ms: percentile(values, 0.99),
  maxMs: percentile(values, 1),
});
