import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { readOptions } from './options.ts';
import { build } from './product/build.ts';
import { type Servers, startServers } from './product/servers.ts';
import { readBaseline, writeBaseline } from './report/baseline.ts';
import { describeMachine, type Machine } from './report/machine.ts';
import { renderPage } from './report/markdown.ts';
import { printRow } from './report/print.ts';
import type { BenchContext, Row, RowReport } from './row.ts';
import { rows } from './rows/index.ts';

/** `npm run bench`: measures, prints, compares with what was saved. A goal that is missed is a figure, not a failure. */
const options = readOptions(
  process.argv.slice(2),
  rows.map((row) => row.name),
);
const report = (line: string): void => void process.stdout.write(`${line}\n`);

if (process.platform !== 'linux') {
  process.stderr.write('The bench reads the process table of Linux; it runs nowhere else.\n');
  process.exit(1);
}
report('Compiling what is measured');
await build();
const servers = await startServers();
// Called off: what was started ends with us, and what fails meanwhile is no finding.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    process.removeAllListeners('uncaughtException').on('uncaughtException', () => {});
    void servers.stop().finally(() => process.exit(130));
  });
try {
  await measureAll(servers);
} finally {
  await servers.stop();
}

async function measureAll(servers: Servers): Promise<void> {
  const chosen = rows.filter((row) => options.only.length === 0 || options.only.includes(row.name));
  const saved = await readBaseline();
  const reports: RowReport[] = [];
  const machine = describeMachine(servers.versions);
  for (const row of chosen) {
    const measured = await measureRow(row, { options, servers, report }).catch((error: unknown) => {
      process.exitCode = 1;
      process.stderr.write(`${row.title} could not be measured: ${inspect(error)}\n`);
    });
    if (!measured) continue;
    reports.push(measured);
    const before = saved?.rows.find((known) => known.name === row.name);
    for (const line of printRow(measured, before)) report(line);
    // After each row: who calls a long run off keeps what it has measured.
    if (options.save) await writeBaseline({ machine, rows: reports });
    if (options.markdown) await writePage(options.markdown, machine, reports);
  }
}

async function writePage(path: string, machine: Machine, reports: readonly RowReport[]): Promise<void> {
  const earlier = existsSync(path) ? await readFile(path, 'utf8') : null;
  const titles = rows.map((row) => row.title);
  await writeFile(path, renderPage(machine, reports, options, { earlier, titles }));
}

async function measureRow(row: Row, context: BenchContext): Promise<RowReport> {
  report(`${row.title} …`);
  const startedAt = performance.now();
  const findings = await row.measure(context);
  const { name, title, method } = row;
  return { name, title, method, seconds: (performance.now() - startedAt) / 1000, ...findings };
}
