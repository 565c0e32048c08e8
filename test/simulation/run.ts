/*
 * Lives worlds from their seeds and prints, for each, the hash of its event log and what was violated. The first argument is
 * the first seed, then how many worlds, how many posts in each, and a fault to plant (see plants.ts). LOG=FILE keeps a log.
 *
 *   node --import tsx --import ./test/simulation/register.mjs test/simulation/run.ts 7 1 10
 */
import { createActivities, activityNames } from './activities.ts';
import { installGlobals } from './globals.ts';
import { plantIn } from './plants.ts';
import { World } from './world.ts';
import { loadWorkflowCode } from './workflow-code.ts';
import { provideWorkflowBundle } from '../../cli/workflow-bundle.ts';
const [from, count, posts, plant] = [Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 1), Number(process.argv[4] ?? 10), process.argv[5] ?? null];
const code = await loadWorkflowCode(await provideWorkflowBundle('.cache'), activityNames, (c) => plantIn(c, plant as never));
const hr = process.hrtime.bigint;
const use = installGlobals();
const reached = new Map<string, number>();
for (let seed = from; seed < from + count; seed++) {
  const t = hr();
  const world = new World({ seed, posts, operations: 40, code, createActivities, plant: plant as never });
  use(world.scheduler);
  try { await world.live(); } catch (e) { console.log('CRASH', e); if (process.env.LOG) { const { writeFileSync } = await import('node:fs'); writeFileSync(process.env.LOG, world.result().log.join('\n') + '\n' + world.model.violations.join('\n')); } process.exit(1); }
  const r = world.result();
  for (const [k, v] of r.reached) reached.set(k, (reached.get(k) ?? 0) + v);
  console.log(seed, r.hash.slice(0, 12), r.operations, 'ops', r.log.length, 'lines', Number(hr() - t) / 1e6 | 0, 'ms', r.violations.length, r.violations.slice(0, 3).join(' | ').slice(0, 600));
  if (process.env.LOG) { const { writeFileSync } = await import('node:fs'); writeFileSync(process.env.LOG, r.log.join('\n') + '\n' + r.violations.join('\n')); }
}
console.log([...reached].sort().map(([k, v]) => `${k}: ${v}`).join('\n'));
process.exit(0);
