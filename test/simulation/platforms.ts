import type {
  Account,
  FindQuery,
  FindResult,
  PlatformAdapter,
  PreparedHandle,
  PublicContent,
  Receipt,
} from '../../adapters/platforms/publisher.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { currentProcess } from './activity-host.ts';
import type { Plant } from './plants.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** What a call that publishes may come to. */
export const commitFaults = [
  'ok',
  'accepted-without-answer',
  'accepted-then-error',
  'accepted-unreadable',
  'no-answer',
  'no-connection',
  'server-error',
  'rate-limited-for',
  'rate-limited',
  'refused',
  'unauthorized',
] as const;
export type CommitFault = (typeof commitFaults)[number];

export interface PlatformFaults {
  readonly commit: Readonly<Partial<Record<CommitFault, number>>>;
  /** How often a look-up fails, and how often a preparation does. */
  readonly find: number;
  readonly prepare: number;
  /** How long at most until lists show what was accepted. */
  readonly listDelayMs: number;
}

/** What the public sees. */
export interface LedgerEntry {
  readonly externalId: string;
  readonly publicId: string;
  readonly text: string;
  readonly media: readonly string[];
  readonly acceptedAtMs: number;
  readonly visibleAtMs: number;
}

interface Container {
  readonly content: PublicContent;
  readonly expiresAtMs: number;
  publicId: string | null;
}

const commitTimeoutMs = 20_000;
const settleMs = 60_000;
const containerLifeMs = 24 * 3_600_000;

/** The platforms of a world and their ledger, which nothing else in the world can reach. */
export class Platforms {
  readonly ledger: LedgerEntry[] = [];
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: (line: string) => void;
  readonly plant: Plant | null;
  faults: PlatformFaults;
  /** Whether LinkedIn refuses what the account has published before, and names it. */
  readonly refusesDuplicates: boolean;
  accepted: (entry: LedgerEntry) => void = () => {};
  readonly #containers = new Map<string, Container>();
  readonly #deadTokens = new Set<string>();
  #number = 0;

  constructor(
    options: Pick<Platforms, 'scheduler' | 'random' | 'log' | 'plant' | 'faults' | 'refusesDuplicates'>,
  ) {
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.log = options.log;
    this.plant = options.plant;
    this.faults = options.faults;
    this.refusesDuplicates = options.refusesDuplicates;
  }

  /** A token that a person has brought anew. */
  renewTokens(): void {
    this.#deadTokens.clear();
  }

  adapterFor(kind: Account['kind']): PlatformAdapter {
    const finds = kind !== 'member';
    return {
      publisher: {
        platform: kind === 'business' ? 'instagram' : 'linkedin',
        kinds: [kind],
        commitTimeoutMs,
        commit: (account, content, handle) => this.#commitAsPlanted(account, content, handle),
        confirm: async (_account, publicId) => {
          await currentProcess().sleep(this.random.between(10, 400));
          return { publicId, permalink: `https://example.com/${publicId}` };
        },
      },
      preparer: {
        prepare: (account, content, _media, { signal }) => this.#prepare(account, content, signal),
      },
      ...(finds && { finder: { settleMs, find: (account, query) => this.#find(account, query) } }),
    };
  }

  async #prepare(account: Account, content: PublicContent, signal: AbortSignal): Promise<PreparedHandle> {
    await currentProcess().sleep(this.random.between(200, this.random.chance(0.1) ? 400_000 : 20_000));
    signal.throwIfAborted();
    if (this.random.chance(this.faults.prepare))
      throw new OutcomeError('unavailable', 'No service', { sent: false });
    const containerId = `container-${++this.#number}`;
    const expiresAtMs = this.scheduler.nowMs + containerLifeMs;
    this.#containers.set(containerId, { content, expiresAtMs, publicId: null });
    const isInstagram = account.kind === 'business';
    return { ids: { containerId }, expiresAt: isInstagram ? new Date(expiresAtMs).toISOString() : null };
  }

  async #commitAsPlanted(
    account: Account,
    content: PublicContent,
    handle: PreparedHandle | null,
  ): Promise<Receipt> {
    const receipt = await this.#commit(account, content, handle);
    if (this.plant === 'second-commit' && account.kind !== 'business' && this.random.chance(0.2))
      this.#accept(account, content, handle);
    return receipt;
  }

  async #commit(account: Account, content: PublicContent, handle: PreparedHandle | null): Promise<Receipt> {
    const process = currentProcess();
    const fault = this.#deadTokens.has(account.externalId)
      ? 'unauthorized'
      : this.random.weighted<CommitFault>(this.faults.commit);
    this.log(`${process.name} commits to ${account.externalId}: ${fault}`);
    const latencyMs = this.random.between(5, this.random.chance(0.1) ? 9_000 : 300);
    await process.sleep(latencyMs);
    const receipt =
      fault === 'ok' || fault.startsWith('accepted') ? this.#accept(account, content, handle) : null;
    const hangs = fault === 'accepted-without-answer' || fault === 'no-answer';
    await process.sleep(hangs ? commitTimeoutMs - latencyMs : this.random.between(5, 300));
    if (fault === 'ok') return receipt!;
    if (fault === 'unauthorized') this.#deadTokens.add(account.externalId);
    throw this.#errorOf(fault);
  }

  #errorOf(fault: Exclude<CommitFault, 'ok'>): Error {
    switch (fault) {
      case 'accepted-without-answer':
      case 'no-answer':
        return new OutcomeError('outcome-unknown', 'No answer in time');
      case 'accepted-then-error':
        return this.random.chance(0.5) ? new OutcomeError('unavailable', '502') : new Error('socket hang up');
      case 'server-error':
        return new OutcomeError('unavailable', '503');
      case 'accepted-unreadable':
        return new OutcomeError('unexpected-response', 'An answer without an id');
      case 'no-connection':
        return new OutcomeError('unavailable', 'Connection refused', { sent: false });
      case 'rate-limited-for':
        return new OutcomeError('rate-limited', '429', { retryAfterMs: this.random.between(1_000, 120_000) });
      case 'rate-limited':
        return new OutcomeError('rate-limited', '429');
      case 'refused':
        return new OutcomeError('rejected', 'Not like this');
      case 'unauthorized':
        return new OutcomeError('unauthorized', 'The token has expired');
    }
  }

  #accept(account: Account, content: PublicContent, handle: PreparedHandle | null): Receipt {
    const publicId = `public-${++this.#number}`;
    const shown = account.kind === 'business' ? this.#useContainer(handle, publicId) : content;
    const { externalId } = account;
    const earlier = this.ledger.find((one) => one.externalId === externalId && one.text === shown.text);
    if (earlier && account.kind !== 'business' && this.refusesDuplicates && this.plant !== 'second-commit')
      throw new OutcomeError('rejected', 'A duplicate', { existingPublicId: earlier.publicId });
    const acceptedAtMs = this.scheduler.nowMs;
    const visibleAtMs = acceptedAtMs + this.random.between(0, this.faults.listDelayMs);
    const media = shown.media.map(({ sha256 }) => sha256);
    const entry = { externalId, publicId, text: shown.text, media, acceptedAtMs, visibleAtMs };
    this.ledger.push(entry);
    this.log(`${externalId} shows ${JSON.stringify(entry.text)} as ${publicId}`);
    this.accepted(entry);
    return { publicId, permalink: account.kind === 'business' ? null : `https://example.com/${publicId}` };
  }

  /** A container is published once: a second time is refused, in words that leave open by whom. */
  #useContainer(handle: PreparedHandle | null, publicId: string): PublicContent {
    const container = this.#containers.get(String(handle?.ids.containerId));
    if (!container)
      throw new OutcomeError('unavailable', 'No container', { sent: false, handleIsDead: true });
    if (container.publicId) throw new OutcomeError('unavailable', 'A duplicate post', { sent: true });
    if (container.expiresAtMs <= this.scheduler.nowMs)
      throw new OutcomeError('unavailable', 'The container has expired', { sent: false, handleIsDead: true });
    container.publicId = publicId;
    return container.content;
  }

  async #find(account: Account, query: FindQuery): Promise<FindResult> {
    await currentProcess().sleep(this.random.between(20, this.random.chance(0.2) ? 8_000 : 500));
    if (this.random.chance(this.faults.find)) throw new OutcomeError('unavailable', 'No service');
    return account.kind === 'business' ? this.#findByContainer(query) : this.#findInList(account, query);
  }

  #findByContainer({ handle }: FindQuery): FindResult {
    const container = this.#containers.get(String(handle?.ids.containerId));
    if (!container) return { kind: 'cannot-tell', reason: 'no container is known' };
    if (!container.publicId) {
      const handleIsDead = container.expiresAtMs <= this.scheduler.nowMs;
      return { kind: 'absent', proof: 'single-use-handle', handleIsDead };
    }
    const entry = this.ledger.find(({ publicId }) => publicId === container.publicId)!;
    if (entry.visibleAtMs > this.scheduler.nowMs)
      return { kind: 'cannot-tell', reason: 'not in the list yet' };
    return { kind: 'found', receipt: { publicId: entry.publicId, permalink: null } };
  }

  #findInList({ externalId }: Account, { content, sentAfter, sentBefore }: FindQuery): FindResult {
    const entry = this.ledger.find(
      (one) =>
        one.externalId === externalId &&
        one.text === content.text &&
        one.visibleAtMs <= this.scheduler.nowMs &&
        one.acceptedAtMs >= sentAfter.getTime() - 60_000 &&
        one.acceptedAtMs <= sentBefore.getTime() + 60_000,
    );
    if (!entry) return { kind: 'absent', proof: 'read' };
    return { kind: 'found', receipt: { publicId: entry.publicId, permalink: null } };
  }
}
