import type { Stub } from './tcp-proxy.ts';

/**
 * What a network may do to one direction of a connection. Names, meanings and units are those of Shopify's toxiproxy
 * (https://github.com/Shopify/toxiproxy, read 2026-11), but for `reset_peer`, which here resets connections that are
 * open already as it resets new ones.
 */
export type Toxic =
  /** Everything arrives later, by `latencyMs` and up to `jitterMs` more or less. */
  | { readonly kind: 'latency'; readonly latencyMs: number; readonly jitterMs?: number }
  /** At most so many kilobytes (of 1,000) per second. */
  | { readonly kind: 'bandwidth'; readonly kilobytesPerSecond: number }
  /** What one side closes stays open for the other until `delayMs` later. */
  | { readonly kind: 'slow_close'; readonly delayMs: number }
  /** Nothing gets through. Closed after `timeoutMs`; 0 hangs until the toxic is removed, which closes it. */
  | { readonly kind: 'timeout'; readonly timeoutMs: number }
  /** A reset (RST) `timeoutMs` after the first data. */
  | { readonly kind: 'reset_peer'; readonly timeoutMs: number }
  /** Pieces of `averageBytes`, give or take `variationBytes`, with `delayMicroseconds` after each. */
  | {
      readonly kind: 'slicer';
      readonly averageBytes: number;
      readonly variationBytes: number;
      readonly delayMicroseconds: number;
    }
  /** Closed after so many bytes since the toxic was set or the connection was opened. */
  | { readonly kind: 'limit_data'; readonly bytes: number };

export type ToxicKind = Toxic['kind'];

/** Passes data on until the connection is closed or another toxic takes over; what it has taken it does not lose. */
export function runToxic(toxic: Toxic | null, stub: Stub): Promise<void> {
  switch (toxic?.kind) {
    case undefined:
      return passOn(stub);
    case 'latency':
      return delay(stub, toxic.latencyMs, toxic.jitterMs ?? 0);
    case 'bandwidth':
      return throttle(stub, toxic.kilobytesPerSecond);
    case 'slow_close':
      return closeSlowly(stub, toxic.delayMs);
    case 'timeout':
      return drop(stub, toxic.timeoutMs);
    case 'reset_peer':
      return reset(stub, toxic.timeoutMs);
    case 'slicer':
      return slice(stub, toxic);
    case 'limit_data':
      return limit(stub, toxic.bytes);
    default:
      throw new Error(`Unknown toxic: ${JSON.stringify(toxic satisfies never)}`);
  }
}

async function passOn(stub: Stub): Promise<void> {
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') return stub.close();
    await stub.write(taken.data);
  }
}

/** Counted from the arrival of each piece, so that a stream is late and not slow. */
async function delay(stub: Stub, latencyMs: number, jitterMs: number): Promise<void> {
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') return stub.close();
    const lateMs = latencyMs + (Math.random() * 2 - 1) * jitterMs;
    await stub.wait(taken.arrivedAtMs + lateMs - performance.now());
    await stub.write(taken.data);
  }
}

async function throttle(stub: Stub, kilobytesPerSecond: number): Promise<void> {
  // A kilobyte per second is a byte per millisecond.
  const pieceBytes = Math.max(1, kilobytesPerSecond * 100);
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') return stub.close();
    for (let at = 0; at < taken.data.length; at += pieceBytes) {
      const piece = taken.data.subarray(at, at + pieceBytes);
      await stub.wait(piece.length / kilobytesPerSecond);
      await stub.write(piece);
    }
  }
}

async function closeSlowly(stub: Stub, delayMs: number): Promise<void> {
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') {
      await stub.wait(delayMs);
      return stub.close();
    }
    await stub.write(taken.data);
  }
}

/** Removing it closes the connection: what was dropped is missing from the stream for ever. */
async function drop(stub: Stub, timeoutMs: number): Promise<void> {
  const untilEnd = async () => {
    while ((await stub.take()).kind === 'data');
  };
  await Promise.race([untilEnd(), ...(timeoutMs > 0 ? [stub.wait(timeoutMs)] : [])]);
  stub.close();
}

async function reset(stub: Stub, timeoutMs: number): Promise<void> {
  const taken = await stub.take();
  if (taken.kind === 'interrupted') return;
  await stub.wait(timeoutMs);
  stub.reset();
}

async function slice(stub: Stub, toxic: Extract<Toxic, { kind: 'slicer' }>): Promise<void> {
  const { averageBytes, variationBytes, delayMicroseconds } = toxic;
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') return stub.close();
    for (const piece of piecesOf(taken.data, averageBytes, variationBytes)) {
      await stub.write(piece);
      await stub.wait(delayMicroseconds / 1_000);
    }
  }
}

/** Halves until the size is within the variation, as toxiproxy does: pieces of even spread. */
function piecesOf(data: Buffer, averageBytes: number, variationBytes: number): Buffer[] {
  if (data.length - averageBytes <= variationBytes) return [data];
  const shift = Math.floor((Math.random() * 2 - 1) * variationBytes);
  const middle = Math.min(data.length - 1, Math.max(1, Math.floor(data.length / 2) + shift));
  return [data.subarray(0, middle), data.subarray(middle)].flatMap((half) =>
    piecesOf(half, averageBytes, variationBytes),
  );
}

async function limit(stub: Stub, bytes: number): Promise<void> {
  let left = bytes;
  for (;;) {
    const taken = await stub.take();
    if (taken.kind === 'interrupted') return;
    if (taken.kind === 'end') return stub.close();
    await stub.write(taken.data.subarray(0, left));
    left -= taken.data.length;
    if (left <= 0) return stub.close();
  }
}
