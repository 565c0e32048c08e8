import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Gatepost,
  type LedgerEntry,
  type Person,
  type Post,
  type PostView,
  startGatepost,
} from '@gatepost/gatepost/testing';
import { seededRandom, shuffled } from '../support/random.ts';

/*
 * Two people give commands at the same moment, through the interface and to one running post: every ordered pair, before
 * its gates, between them, and around the instant at which it is due. What goes out is judged by the platforms' ledger.
 */

const kinds = ['edit', 'approve', 'reject', 'reschedule', 'cancel', 'pause', 'publish'] as const;
type Kind = (typeof kinds)[number];

/** How far the post is, and when it is struck: ahead of everything, or so close to its due time that it is armed. */
const stages = [
  { passed: [], isDue: false },
  { passed: ['content'], isDue: false },
  { passed: ['content'], isDue: true },
  { passed: ['content', 'publish'], isDue: false },
  { passed: ['content', 'publish'], isDue: true },
  { passed: ['content', 'publish'], isDue: true },
  { passed: ['content', 'publish'], isDue: true },
] as const;
type Stage = (typeof stages)[number];

const atOnce = 5;
const dueInMs = 3_000;
const hour = 3_600_000;
/** How many of every seven races are run: all of them takes minutes of both cores, which others need to be on time. */
const share = Number(process.env.GATEPOST_TEST_RACES ?? 2);
const seed = Number(process.env.GATEPOST_TEST_SEED ?? randomInt(1e9));
process.stdout.write(`races of two commands: GATEPOST_TEST_SEED=${seed}\n`);

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost({ time: 'real' });
});
afterAll(async () => {
  await gatepost.stop();
});

interface Race {
  readonly first: Kind;
  readonly then: Kind;
  readonly stage: Stage;
  readonly random: () => number;
}

/** What became of one: what each command was answered, and what the world saw. */
interface Outcome {
  readonly answers: readonly { kind: Kind; status: number; code: string | null }[];
  readonly post: Post;
  readonly view: PostView;
  readonly entries: readonly LedgerEntry[];
}

const reworded = 'Said better, after all';

/** A command of a kind, as its caller means it who sees the post as it is shown now. */
function requestFor(kind: Kind, view: PostView): [method: string, path: string, body: object] {
  const gate = view.openGate ?? 'publish';
  const hash = view.gates?.[gate].hash;
  const at = (verb: string, body: object): [string, string, object] => ['POST', `/${verb}`, body];
  switch (kind) {
    case 'edit':
      return ['PATCH', '', { copy: reworded }];
    case 'approve':
      return at('decisions', { gate, hash, verdict: 'approve' });
    case 'reject':
      return at('decisions', { gate, hash, verdict: 'reject', notes: 'Not like this' });
    case 'reschedule':
      return at('schedule', { dueAt: new Date(Date.now() + hour).toISOString() });
    case 'cancel':
      return at('cancel', {});
    case 'pause':
      return at('pause', {});
    case 'publish':
      return at('publish-now', { hash: view.gates?.publish.hash });
  }
}

async function race({ first, then, stage, random }: Race): Promise<Outcome> {
  const { posts, profiles, people, ledger } = gatepost;
  const profile = await profiles.connect('linkedin');
  const dueAt = new Date(Date.now() + dueInMs);
  const post = await posts.create({ profiles: [profile], dueAt });
  if (stage.passed.length > 0) await posts.approve(post, ...stage.passed);
  const { body: view, headers } = await people.reviewer.send('GET', `/posts/${post.id}`);
  // From well before it is armed to just after it was sent: most of them while it is on its way.
  if (stage.isDue) await sleep(Math.max(0, dueAt.getTime() - Date.now() + Math.round(random() * 140 - 110)));
  const give = async (kind: Kind, person: Person, afterMs: number) => {
    await sleep(afterMs);
    const [method, path, body] = requestFor(kind, view);
    const ifMatch = kind === 'edit' ? headers.get('etag')! : undefined;
    const key = randomUUID();
    const ask = () => person.send(method, `/posts/${post.id}${path}`, { body, ifMatch, key });
    let reply = await ask();
    // Nobody knows yet: asked again under the same key, it is answered with what became of it. An edit has no key; it
    // meets what it did itself.
    for (let left = 5; reply.status === 503 && left > 0; left -= 1) reply = await ask();
    const isOwnEdit = reply.status === 412 && (await isReworded(post));
    return {
      kind,
      status: isOwnEdit ? 200 : reply.status,
      code: (reply.body?.code ?? null) as string | null,
    };
  };
  // The author may not decide; both of the others may do everything.
  const answers = await Promise.all([
    give(first, people.reviewer, 0),
    give(then, people.admin, Math.floor(random() * 12)),
  ]);
  if (random() < 0.5) await passWhatIsOpen(post);
  await sleep(Math.max(0, dueAt.getTime() - Date.now()));
  return { answers, post, view: await settled(post), entries: await ledger.entries(profile) };
}

const isReworded = async (post: Post): Promise<boolean> =>
  (await gatepost.posts.revisions(post)).some(({ copy }) => copy === reworded);

/** Approves what the post says now, wherever that is still wanted, as people do who have seen what happened. */
async function passWhatIsOpen(post: Post): Promise<void> {
  const { people, posts } = gatepost;
  for (const person of [people.admin, people.reviewer]) {
    const { openGate } = await posts.read(post);
    // Refused where somebody was quicker, or where it has been called off meanwhile.
    if (openGate)
      await person.send('POST', `/posts/${post.id}/decisions`, { body: await approvalOf(post, openGate) });
  }
}

const approvalOf = async (post: Post, gate: NonNullable<PostView['openGate']>) => ({
  gate,
  hash: (await gatepost.posts.read(post)).gates?.[gate].hash,
  verdict: 'approve',
});

/** The post once nothing of it is under way: neither due and ready, nor being sent. */
async function settled(post: Post): Promise<PostView> {
  for (const deadline = Date.now() + 20_000; ; await sleep(200)) {
    const view = await gatepost.posts.read(post);
    const codes = view.blockedOn.map(({ code }) => code);
    const isDue = view.dueAt !== null && Date.parse(view.dueAt) <= Date.now();
    const moves =
      codes.includes('publishing') ||
      (isDue && codes.length > 0 && codes.every((code) => code === 'until-due'));
    if (!moves) return view;
    if (Date.now() > deadline) throw new Error(`Post ${post.id} goes on and on: ${view.status}, ${codes}`);
  }
}

/** Everything that must not have come of it, in words. */
function complaintsOf({ answers, view, entries }: Outcome): string[] {
  const taken = (kind: Kind) => answers.some((answer) => answer.kind === kind && answer.status === 200);
  const texts = entries.map(({ text }) => text);
  const rules: Record<string, boolean> = {
    'an answer that is neither a success nor a refusal': answers.some(
      ({ status }) => status !== 200 && (status < 400 || status >= 500),
    ),
    'twice in the ledger': entries.length > 1,
    'out, though its cancelling was answered': taken('cancel') && texts.length > 0,
    'not CANCELLED, though its cancelling was answered': taken('cancel') && view.status !== 'CANCELLED',
    'out, though its pause was answered': taken('pause') && texts.length > 0,
    'out in its old words, though the new ones were taken':
      taken('edit') && texts.some((text) => text !== reworded),
    'out in words that were refused': !taken('edit') && texts.includes(reworded),
    'out an hour early': taken('reschedule') && !taken('publish') && texts.length > 0,
    'in the ledger and not PUBLISHED': entries.length > 0 && view.status !== 'PUBLISHED',
    'PUBLISHED and not in the ledger': entries.length === 0 && view.status === 'PUBLISHED',
  };
  return Object.keys(rules).filter((rule) => rules[rule]);
}

test('two commands at once: what goes out is what was approved last, once, and what was answered holds', async () => {
  const random = seededRandom(seed);
  const races: Race[] = kinds.flatMap((first) =>
    kinds.flatMap((then) =>
      shuffled(stages, random)
        .slice(0, share)
        .map((stage) => ({ first, then, stage, random: seededRandom(Math.floor(random() * 1e9)) })),
    ),
  );
  const waiting = shuffled(races, random);
  const wrong: string[] = [];
  const tally = { out: 0, kept: 0, bothTaken: 0, oneTaken: 0 };
  const work = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const outcome = await race(next);
      const { first, then, stage } = next;
      const where = `${first} against ${then} with [${stage.passed}]${stage.isDue ? ' at its due time' : ''}`;
      const said = outcome.answers
        .map(({ kind, status, code }) => `${kind} ${status} ${code ?? ''}`)
        .join(', ');
      for (const complaint of complaintsOf(outcome))
        wrong.push(`${where}: ${complaint} (${said}; ${outcome.view.status}; post ${outcome.post.id})`);
      await gatepost.ledger.expectAtMostOnce(outcome.post).catch((error: Error) => {
        wrong.push(`${where}: ${error.message} (${said})`);
      });
      tally[outcome.entries.length > 0 ? 'out' : 'kept'] += 1;
      const accepted = outcome.answers.filter(({ status }) => status === 200).length;
      if (accepted > 0) tally[accepted === 2 ? 'bothTaken' : 'oneTaken'] += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  process.stdout.write(`races of two commands: ${races.length}, ${JSON.stringify(tally)}\n`);
  expect(wrong).toEqual([]);
  // All of it must be common, or nothing has been tried.
  for (const share of Object.values(tally)) expect(share).toBeGreaterThan(races.length / 20);
}, 300_000);
