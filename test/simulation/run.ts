import { register } from 'node:module';
import { Command, Option } from 'commander';
import { cacheDir } from '../../cli/local/local-stack.ts';
import { provideWorkflowBundle } from '../../cli/workflow-bundle.ts';
import { wholeNumber } from '../support/options.ts';
import { installGlobals } from './globals.ts';
import { type Plant, plantIn, plants } from './plants.ts';
import { loadWorkflowCode } from './workflow-code.ts';
import { World, type WorldResult } from './world.ts';

/**
 * `npm run simulate`: lives worlds of posts from their seeds, on the run's own code, and says what was violated. A seed
 * is a whole life: it prints the same hash of its event log each time.
 */

const [postsPerWorld, operationsPerPost] = [10, 40];

const options = new Command('npm run simulate --')
  .description("lives posts on the run's own code in a simulated world with faults")
  .option('--seed <number>', 'the first world', wholeNumber, Math.floor(Math.random() * 1e9) + 1)
  .option('--posts <count>', 'how many posts in all, ten to a world', wholeNumber, 600)
  .option('--twice', 'live each world twice, and compare its event logs', false)
  .option('--log', 'print what happened in each world with violations', false)
  .addOption(new Option('--plant <fault>', 'a fault that must be noticed').choices([...plants]))
  .parse(process.argv)
  .opts<{ seed: number; posts: number; twice: boolean; log: boolean; plant?: Plant }>();

// What activities import from db/ is rows in memory; registered before anything imports an activity.
register('./hooks.mjs', import.meta.url);
const { activityNames, createActivities } = await import('./activities.ts');
const plant = options.plant ?? null;
const bundlePath = await provideWorkflowBundle(cacheDir);
const code = await loadWorkflowCode(bundlePath, activityNames, (text) => plantIn(text, plant));
const use = installGlobals();

async function live(seed: number): Promise<WorldResult> {
  const world = new World({
    ...{ seed, posts: postsPerWorld, operations: operationsPerPost, code, createActivities, plant },
  });
  use(world.scheduler);
  await world.live();
  return world.result();
}

const worlds = Math.ceil(options.posts / postsPerWorld);
const again = plant ? ` --plant ${plant}` : '';
process.stdout.write(`seeds ${options.seed} to ${options.seed + worlds - 1}${again}\n`);
const startedAtNs = process.hrtime.bigint();
let [operations, violated] = [0, 0];
for (let seed = options.seed; seed < options.seed + worlds; seed += 1) {
  const result = await live(seed);
  operations += result.operations;
  const problems = [...result.violations];
  if (options.twice && (await live(seed)).hash !== result.hash)
    problems.push('another event log the second time');
  if (problems.length === 0) continue;
  violated += 1;
  if (options.log) process.stdout.write(`${result.log.join('\n')}\n`);
  process.stdout.write(`${problems.slice(0, 5).join('\n')}\n`);
  process.stdout.write(`  again: npm run simulate -- --seed ${seed} --posts ${postsPerWorld}${again}\n`);
  // A planted fault has been noticed: that is all there was to show.
  if (plant) break;
}
const seconds = Number(process.hrtime.bigint() - startedAtNs) / 1e9;
process.stdout.write(
  `${worlds} worlds, ${worlds * postsPerWorld} posts, ${operations} operations, ${seconds.toFixed(1)} s: ${violated} worlds with violations\n`,
);
process.exit(violated > 0 ? 1 : 0);
