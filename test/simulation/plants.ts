/** Faults that can be planted, each to show that something notices. */
export const plants = [
  /** A sender sends twice. */
  'second-commit',
  /** An attempt of which nobody knows is held for one that was not sent. */
  'doubt-is-not-sent',
  /** What the post says now is sent, instead of what was approved. */
  'newest-content',
  /** A command answers before what is armed has been taken back. */
  'answers-before-disarm',
  /** Commands do not take back what is armed. */
  'never-disarms',
  /** Nobody waits for the due time. */
  'ignores-the-instant',
  /** Holds and changed policies stop nothing. */
  'ignores-holds',
  /** An older projection overwrites a newer one. */
  'stale-projection',
  /** The server's timers do not fire. */
  'lost-timers',
  /** Who wrote the post may approve it, whatever the policy says. */
  'author-approves',
  /** An edit leaves the approvals of what it changes. */
  'edit-keeps-approvals',
  /** A pause is answered and forgotten. */
  'forgets-pause',
] as const;
export type Plant = (typeof plants)[number];

/** Faults in the product's code itself, as replacements in the workflow bundle. */
const changes: Partial<Record<Plant, readonly [find: string, replace: string]>> = {
  'never-disarms': [
    'if (!takesBackArmed(command) || armed.length === 0) return;',
    'if (armed.length >= 0) return;',
  ],
  'author-approves': ['if (!policy.authorMay &&', 'if (false &&'],
  'edit-keeps-approvals': ['}), changed);', '}), []);'],
  'forgets-pause': ['if (post.draft || post.paused ||', 'if (post.draft ||'],
};

/** Plants a fault in the workflow code; throws where the code no longer has the place for it. */
export function plantIn(code: string, plant: Plant | null): string {
  const change = plant ? changes[plant] : undefined;
  if (!change) return code;
  const [find, replace] = change;
  if (code.split(find).length !== 2) throw new Error(`The code has no single place to plant ${plant} in`);
  return code.replace(find, () => replace);
}
