import type { AccountStore } from './accounts.ts';
import type { FaultStore } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { MediaStore } from './media.ts';
import type { RequestLog } from './requests.ts';
import type { SettingsStore } from './settings.ts';
import type { Shelf } from './state.ts';

/** What the parts of one running sandbox share. */
export interface SandboxContext {
  /** Where clients reach the sandbox; without a slash at the end. */
  publicUrl: string;
  now(): Date;
  fetch: typeof fetch;
  settings: SettingsStore;
  accounts: AccountStore;
  faults: FaultStore;
  requests: RequestLog;
  ledger: Ledger;
  media: MediaStore;
  /** What a platform keeps besides the ledger; each name is opened once. */
  shelf<Thing>(name: string): Shelf<Thing>;
  /** Aborted by a reset and by a stop; whoever waits gives up without effect. */
  halted(): AbortSignal;
  /** Runs one piece of work at a time per key, so that a check and its write are one step. */
  serialize<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createSerializer(): SandboxContext['serialize'] {
  const tails = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const done = (tails.get(key) ?? Promise.resolve()).then(work);
    const tail = done
      .catch(() => undefined)
      .finally(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return done;
  };
}
