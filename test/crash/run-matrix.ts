/**
 * Runs every cell of the crash matrix with as many seeds as wanted, and writes what came of it as a table.
 *
 *   npm run test:crash -- --seeds 5 [--from 1] [--out docs/crash-matrix.md] [--results results.json]
 *
 * Takes about eight minutes for each seed, and servers of its own. Ends with 1 when anything is wrong.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { wholeNumber } from '../support/options.ts';
import { complaintsOf } from './matrix.ts';
import type { SeedResult } from './run-seed.ts';
import { renderMatrix } from './table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const options = new Command('npm run test:crash --')
  .description(
    'kills and stops everything at every point of a publication, and says what became of the posts',
  )
  .option('--seeds <count>', 'how many seeds: about eight minutes each', wholeNumber, 5)
  .option('--from <seed>', 'the first of them', wholeNumber, 1 + (Date.now() % 1_000_000))
  .option('--out <file>', 'where to write the table', join(root, 'docs/crash-matrix.md'))
  .option(
    '--results <file>',
    'keeps what came of each seed there, and adds it to what earlier runs kept there',
  )
  .parse(process.argv)
  .opts<{ seeds: number; from: number; out: string; results?: string }>();
const seeds = Array.from({ length: options.seeds }, (_, index) => options.from + index);

let running: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => running?.kill(signal));

console.log(`seeds: ${seeds.join(', ')}`);
const kept = options.results;
const results: SeedResult[] = kept && existsSync(kept) ? JSON.parse(await readFile(kept, 'utf8')) : [];
for (const seed of seeds) {
  results.push(await runSeed(seed));
  if (kept) await writeFile(kept, JSON.stringify(results));
}
const struck = results.flatMap((result) => result.struck);
const { versions } = results.at(-1)!;
const allSeeds = results.map(({ seed }) => seed);
await writeFile(options.out, renderMatrix(struck, { date: new Date(), seeds: allSeeds, versions }));
console.log(`${struck.length} posts; the table is in ${options.out}`);
const complaints = [...complaintsOf(struck), ...results.flatMap(({ undocumented }) => undocumented)];
for (const line of complaints) console.log(line);
process.exit(complaints.length === 0 ? 0 : 1);

async function runSeed(seed: number): Promise<SeedResult> {
  const child = fork(fileURLToPath(new URL('run-seed.ts', import.meta.url)), [String(seed)]);
  running = child;
  let result: SeedResult | undefined;
  child.on('message', (message) => {
    result = message as SeedResult;
  });
  const [exitCode] = await once(child, 'exit');
  if (!result) throw new Error(`Seed ${seed} came to no end: exit code ${exitCode}`);
  return result;
}
