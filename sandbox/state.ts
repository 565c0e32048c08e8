import type { Account } from './accounts.ts';
import type { Journal } from './journal.ts';
import type { Settings } from './settings.ts';

/** What the sandbox keeps besides the ledger. Each record replaces an earlier one of the same kind and id. */
export type StateRecord =
  | { kind: 'account'; account: Account }
  | { kind: 'settings'; settings: Settings }
  | { kind: 'thing'; shelf: string; id: string; thing: unknown };

/** The journal of `state.jsonl`. */
export type StateJournal = Journal<StateRecord>;

/** What a platform keeps of one kind, e.g. its containers, by id. It outlasts a restart of the sandbox. */
export interface Shelf<Thing> {
  /** Adds it, or replaces it; it is on the disk when it resolves. */
  put(id: string, thing: Thing): Promise<void>;
  get(id: string): Thing | undefined;
  list(): Thing[];
  clear(): void;
}

/** Opens a shelf by its name, which no other may have: `linkedin-image`. */
export function openShelf<Thing>(
  name: string,
  records: readonly StateRecord[],
  journal: StateJournal,
): Shelf<Thing> {
  const things = new Map<string, Thing>();
  for (const record of records) {
    if (record.kind === 'thing' && record.shelf === name) things.set(record.id, record.thing as Thing);
  }
  return {
    async put(id, thing) {
      await journal.append({ kind: 'thing', shelf: name, id, thing });
      things.set(id, thing);
    },
    get: (id) => things.get(id),
    list: () => [...things.values()],
    clear: () => things.clear(),
  };
}
