import { setTimeout as sleep } from 'node:timers/promises';
import { readCampaign } from '../campaign/read-campaign.ts';
import type { Environment } from '../config.ts';
import { DemoError } from '../demo/api-client.ts';
import { type PlayedCampaign, type PlayedPost, playCampaign, type Stage } from '../demo/play-campaign.ts';
import { type PostView, Story } from '../demo/story.ts';
import { startLocalStack } from '../local/local-stack.ts';
import { readRunning } from '../local/running.ts';
import { localSecrets } from '../local/secrets.ts';
import { stateDir } from './state-dir.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
/** How long after its due time a post may still be on its way before the demo calls it stuck. */
const patienceMs = 45_000;

/**
 * Runs a campaign on the local stack (the one that `dev` keeps up, or one of its own) and tells how it went.
 * Fails unless every post that its script takes through the gates went out, once.
 */
export async function demo(
  environment: Environment,
  options: { campaign: string; keep?: boolean },
): Promise<void> {
  // Before anything is started: a campaign that cannot be used creates nothing.
  const campaign = await readCampaign(options.campaign);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort(new Error(signal)));
  const { stage, stop, failed, isOwn } = await openStage(environment, interrupted.signal);
  try {
    say(`\n${campaign.name}: ${campaign.posts.length} posts\n`);
    const played = await playCampaign(stage, campaign);
    const posts = Promise.all(played.posts.map((post) => follow(played, post, interrupted.signal)));
    const views = await Promise.race([posts, failed.then((reason) => Promise.reject(new DemoError(reason)))]);
    await report(stage, played, views);
    if (options.keep) await keepUp(interrupted.signal);
    else if (isOwn) say('  (it stops with the demo; `npm run demo -- --keep` leaves everything up)');
  } finally {
    await stop();
  }
}

async function openStage(environment: Environment, signal: AbortSignal) {
  const running = await readRunning(stateDir);
  if (running) {
    say(`Using the stack that is up already (${running.apiUrl})`);
    const secrets = await localSecrets(stateDir);
    const stage: Stage = { ...running, secrets };
    return { stage, stop: async () => {}, failed: new Promise<string>(() => {}), isOwn: false };
  }
  const stack = await startLocalStack({ stateDir, environment, report: say, signal });
  return { stage: stack satisfies Stage, stop: stack.stop, failed: stack.failed, isOwn: true };
}

/** Prints a post's events as they come, until it has ended or waits for more than time. */
async function follow(played: PlayedCampaign, post: PlayedPost, signal: AbortSignal): Promise<PostView> {
  const story = new Story(played.reader);
  let scriptEnded = false;
  const script = post.script.then(() => {
    scriptEnded = true;
  });
  const deadlineMs = post.dueAt.getTime() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    for (const line of await story.newLines(post)) say(line);
    const view = await played.reader.get<PostView>(`/posts/${post.postId}`);
    const isOver = [
      'PUBLISHED',
      'PARTIALLY_PUBLISHED',
      'FAILED',
      'UNCONFIRMED',
      'CANCELLED',
      'EXPIRED',
    ].includes(view.status);
    if (scriptEnded && (isOver ? hasLinks(view) : !post.goesOut)) {
      for (const line of await story.newLines(post)) say(line);
      return view;
    }
    if (Date.now() > deadlineMs) return view;
    // A script that fails ends the demo with its reason.
    await Promise.race([sleep(250), script.then(() => sleep(250))]);
  }
}

const hasLinks = (view: PostView): boolean =>
  view.status !== 'PUBLISHED' || view.targets.every((target) => target.permalink !== null);

interface LedgerEntry {
  readonly publicId: string;
  readonly receivedAt: string;
  readonly feedUrl?: string;
}

async function report(stage: Stage, played: PlayedCampaign, views: readonly PostView[]): Promise<void> {
  const ledger = await readLedger(stage.sandboxUrl);
  const problems: string[] = [];
  say('\nHow it went\n');
  for (const [index, post] of played.posts.entries()) {
    const view = views[index]!;
    say(`  ${post.key.padEnd(18)} ${view.status}`);
    for (const target of view.targets) {
      const entries = ledger.filter((entry) => entry.publicId === target.publicId);
      if (view.status === 'PUBLISHED' && entries.length !== 1)
        problems.push(`${post.key} stands ${entries.length} times on ${target.platform}`);
      const latenessMs = entries[0] ? new Date(entries[0].receivedAt).getTime() - post.dueAt.getTime() : null;
      if (latenessMs !== null && latenessMs < 0)
        problems.push(`${post.key} went out ${-latenessMs} ms too early`);
      say(
        `    ${target.platform.padEnd(12)} ${latenessMs === null ? '' : `${latenessMs} ms after its due time`}`,
      );
      if (target.permalink) say(`    ${''.padEnd(12)} ${target.permalink}`);
      if (target.error) say(`    ${''.padEnd(12)} ${target.error.message}`);
    }
    if (post.goesOut && view.status !== 'PUBLISHED')
      problems.push(
        `${post.key} did not go out: ${view.status}, ${view.blockedOn.map((block) => block.message).join('; ')}`,
      );
  }
  say(`\n  The sandbox's feed: ${stage.sandboxUrl}`);
  if (problems.length > 0) throw new DemoError(problems.join('\n'));
}

async function readLedger(sandboxUrl: string): Promise<LedgerEntry[]> {
  const response = await fetch(`${sandboxUrl}/_control/ledger`, { signal: AbortSignal.timeout(5_000) });
  return ((await response.json()) as { entries: LedgerEntry[] }).entries;
}

async function keepUp(signal: AbortSignal): Promise<void> {
  say('\nThe stack stays up. Ctrl-C stops it.');
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
