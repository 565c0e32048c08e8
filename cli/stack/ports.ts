import { createServer } from 'node:net';
import { isSystemError } from './stack-error.ts';
import type { Report } from './types.ts';

const LOOPBACK = '127.0.0.1';

/** Chooses ports one after the other and never the same one twice. */
export interface PortChooser {
  /** The preferred port if it is free, else another free one, which is reported. No preference (or 0): any free port. */
  choose(input: { label: string; preferred?: number | undefined }): Promise<number>;
}

/**
 * A chooser for one start of the stack. The choice is only a moment old when the server binds; a server that loses
 * the race ends at once and says so, which is better than a port held open by us that it could not bind.
 */
export function createPortChooser(report: Report): PortChooser {
  const taken = new Set<number>();
  return {
    async choose({ label, preferred = 0 }) {
      const port = taken.has(preferred) ? null : await tryToBind(preferred);
      const chosen = port === null || taken.has(port) ? await findFreePort(taken) : port;
      if (preferred !== 0 && chosen !== preferred) {
        report(`${label}: port ${preferred} is busy, using ${chosen}`);
      }
      taken.add(chosen);
      return chosen;
    },
  };
}

async function findFreePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = await tryToBind(0);
    if (port !== null && !taken.has(port)) return port;
  }
}

/** Binds and lets go; null when the port cannot be had. */
function tryToBind(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (isSystemError(error, 'EADDRINUSE') || isSystemError(error, 'EACCES')) resolve(null);
      else reject(error);
    });
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
