import { log } from '@temporalio/activity';
import { LRUCache } from 'lru-cache';
import type { LiveQuota } from '../domain/caps.ts';
import type { PublishingContext } from './dependencies.ts';
import { callContext } from './heartbeat.ts';

/** What a platform said of an account counts for so long: those that are due together ask once. */
const rememberMs = 60_000;
const rememberMost = 2_000;
/** A target is about to be armed: it does not wait long for advice. */
const longestReadingMs = 5_000;

/** What platforms say of their own limits. */
export interface Quotas {
  /**
   * How much of its publishing limit an account has used. `null` where the platform has no such limit, or does not say
   * now: then what we have sent ourselves is counted alone, and the platform has the last word when it is sent to.
   */
  readonly read: (publishing: PublishingContext, now: Date) => Promise<LiveQuota | null>;
}

interface Question {
  readonly publishing: PublishingContext;
  readonly now: Date;
}

export function createQuotas(): Quotas {
  const readings = new LRUCache<string, LiveQuota, Question>({
    max: rememberMost,
    fetchMethod: async (_key, _old, { context: { publishing, now } }) => {
      // Others may wait for it too: it does not end with the one who asked first.
      const context = { ...callContext(), signal: AbortSignal.timeout(longestReadingMs) };
      const quota = await publishing.adapter.quotaReader?.readQuota(publishing.account, context);
      return quota && { ...quota, readAtMs: now.getTime() };
    },
  });
  return {
    async read(publishing, now) {
      const { adapter, account, stored } = publishing;
      if (!adapter.quotaReader) return null;
      const key = stored.profile.id;
      const isOld = now.getTime() - (readings.peek(key)?.readAtMs ?? 0) > rememberMs;
      try {
        const context = { publishing, now };
        return (await readings.fetch(key, { context, forceRefresh: isOld })) ?? null;
      } catch (error) {
        log.warn('A publishing limit could not be read', {
          platform: account.platform,
          error: String(error),
        });
        return null;
      }
    },
  };
}
