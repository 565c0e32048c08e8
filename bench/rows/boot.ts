import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuOfTrees, readProcesses } from '../measure/processes.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { watch } from '../measure/watch.ts';
import { workflowBundlePath } from '../product/build.ts';
import { floorEnvironment, startFloorProcess } from '../product/floor.ts';
import { gatepostArguments, type Product, startProduct } from '../product/product.ts';
import { createNamespace, type Servers } from '../product/servers.ts';
import { atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import { countRounds, rawNumbers, reportRound, stopAfter } from './support.ts';

/** What workflow code may be bundled with: Temporal's own code and what that needs. */
const allowedPackages = ['@temporalio/common', '@temporalio/workflow', 'nexus-rpc', 'ms', 'long'];

export const bootRow: Row = {
  name: 'boot',
  title: 'Boot of a worker',
  method:
    'Service: from the start of `gatepost worker`, compiled and with its prebuilt bundle, to its ready file. Floor: a ' +
    'bare worker with a prebuilt bundle, from its start until it says that it is ready.',
  measure,
};

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const product = await startProduct(servers, { startsWorker: false });
  return stopAfter([product], async () => {
    const namespace = await createNamespace(servers.temporal, 'floor');
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'readyMs',
      floor: () => bootFloor(servers, namespace),
      service: () => bootService(servers, product),
      report: reportRound(report, 'round', ['readyMs', 'cpuMs']),
    });
    const { packages, foreign, kibibytes } = await readBundle();
    return {
      figures: [
        { label: 'CPU until ready', unit: 'ms', ...compare(rounds, 'cpuMs'), goal: null },
        { label: 'until ready', unit: 'ms', ...compare(rounds, 'readyMs'), goal: atMost(2_500) },
        {
          label: 'packages in the workflow bundle beside Temporal’s own',
          ...{ unit: 'packages', floor: null, service: foreign.length, ratio: null },
          goal: atMost(0),
        },
      ],
      notes: [
        rawNumbers('Until ready (ms)', rounds, 'readyMs'),
        `The bundle has ${kibibytes} KiB and holds workflows/, domain/ and ${packages.join(', ')}`,
      ],
      rounds: countRounds(rounds),
    };
  });
}

async function bootFloor(servers: Servers, namespace: string): Promise<Reading> {
  const { value, seen } = await watch({}, async () => {
    const worker = await startFloorProcess(
      'worker',
      floorEnvironment(servers.temporal.address, namespace, 500),
    );
    const cpu = cpuSoFar(worker.processId);
    await worker.stop();
    return { readyMs: worker.readyAfterMs, cpuMs: cpu };
  });
  return { figures: value, noise: seen.noise };
}

async function bootService(servers: Servers, product: Product): Promise<Reading> {
  const folder = join(servers.folder, `boot-${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  const readyFile = join(folder, 'ready');
  const { value, seen } = await watch({}, async () => {
    const startedAt = performance.now();
    const child = spawn(process.execPath, gatepostArguments('worker', ['--ready-file', readyFile]), {
      env: product.workerEnvironment,
      stdio: 'ignore',
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    while (!existsSync(readyFile)) {
      if (child.exitCode !== null) throw new Error(`The worker ended with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const readyMs = performance.now() - startedAt;
    const cpuMs = cpuSoFar(child.pid!);
    child.kill('SIGTERM');
    await exited;
    return { readyMs, cpuMs };
  });
  await rm(folder, { recursive: true });
  return { figures: value, noise: seen.noise };
}

/** CPU that a process has used since it began. */
const cpuSoFar = (processId: number): number => cpuOfTrees(readProcesses(), [processId]);

/** The packages a bundle was made of, from the names it gives its modules. */
async function readBundle() {
  const text = await readFile(workflowBundlePath, 'utf8');
  const modules = [...text.matchAll(/^\/\*\*\*\/ "([^"]+)"/gm)].map(([, name]) => name!);
  const packages = modules.flatMap((name) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1] ?? []);
  const distinct = [...new Set(packages)].sort();
  if (distinct.length === 0) throw new Error('The bundle no longer names its modules');
  return {
    packages: distinct,
    foreign: distinct.filter((name) => !allowedPackages.includes(name)),
    kibibytes: Math.round(text.length / 1024),
  };
}
