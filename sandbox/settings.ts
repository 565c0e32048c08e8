import { z } from 'zod';
import type { StateJournal, StateRecord } from './state.ts';

const milliseconds = z.number().int().min(0);
const count = z.number().int().min(0);

const settingsSchema = z.strictObject({
  imageProcessingMs: milliseconds,
  uploadUrlLifetimeMs: milliseconds,
  duplicateWindowMs: milliseconds,
  linkedinVersions: z.array(z.string().regex(/^\d{6}$/)),
  containerProcessingMs: milliseconds,
  containerLifetimeMs: milliseconds,
  mediaFetchTimeoutMs: milliseconds.min(1),
  containersPerDay: count,
  publishesPerDay: count,
  hashtagsPerCaption: count,
  mentionsPerCaption: count,
  listDelayMs: milliseconds,
  uploadsAreLockedToPrivate: z.boolean(),
  verifiedAddresses: z.array(z.string()),
  boards: z.array(z.strictObject({ id: z.string().regex(/^\d+$/), name: z.string() })),
  subreddits: z.record(
    z.string(),
    z.strictObject({
      isMissing: z.boolean().optional(),
      about: z.record(z.string(), z.unknown()).optional(),
      requirements: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

/** How the platforms behave when no fault is scripted. Changed with `PATCH /_control/settings`. */
export type Settings = z.infer<typeof settingsSchema>;

/** Any part of the settings. */
export const settingsPatchSchema = settingsSchema.partial();

const defaultSettings: Readonly<Settings> = Object.freeze({
  /** LinkedIn: from the upload to AVAILABLE. The platform takes seconds; a sandbox is waited for. */
  imageProcessingMs: 300,
  uploadUrlLifetimeMs: 3_600_000,
  /** LinkedIn answers 422 to an identical body of the same author for about this long. */
  duplicateWindowMs: 600_000,
  /**
   * Versions are monthly and live for about a year; these were live in November 2026.
   * https://learn.microsoft.com/en-us/linkedin/marketing/versioning
   */
  linkedinVersions: [
    '202512',
    '202601',
    '202602',
    '202603',
    '202604',
    '202605',
    '202606',
    '202607',
    '202608',
    '202609',
    '202610',
  ],
  /** Instagram: from the request to FINISHED. */
  containerProcessingMs: 300,
  containerLifetimeMs: 86_400_000,
  mediaFetchTimeoutMs: 10_000,
  containersPerDay: 400,
  /** The guide says 100, the reference 50: clients are to read `content_publishing_limit`. */
  publishesPerDay: 100,
  hashtagsPerCaption: 30,
  mentionsPerCaption: 20,
  /** How long a new post stays out of the platforms' lists (not out of a read by its id). */
  listDelayMs: 0,
  /** YouTube: whether the application has yet to pass the audit, so that every video it uploads stays private. */
  uploadsAreLockedToPrivate: false,
  /** TikTok: what the addresses of pictures begin with that the application has verified; none: every address is. */
  verifiedAddresses: [],
  /** Pinterest: what every account lists; a board that is not listed is there all the same. */
  boards: [
    { id: '987654321', name: 'Ideas' },
    { id: '549755885175', name: 'Recipes' },
  ],
  /** Reddit: what subreddits say of themselves and require, by name; any other is there and takes everything. */
  subreddits: {},
});

export interface SettingsStore {
  get(): Settings;
  patch(changes: Partial<Settings>): Promise<Settings>;
  clear(): void;
}

export function createSettings(records: readonly StateRecord[], journal: StateJournal): SettingsStore {
  let settings: Settings = { ...defaultSettings };
  for (const record of records) {
    if (record.kind === 'settings') settings = { ...defaultSettings, ...record.settings };
  }
  return {
    get: () => settings,
    async patch(changes) {
      settings = { ...settings, ...changes };
      await journal.append({ kind: 'settings', settings });
      return settings;
    },
    clear() {
      settings = { ...defaultSettings };
    },
  };
}
