import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A process of its own: the simulation takes the place of clocks, timers and what activities import. */
function simulate(...args: readonly string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    const command = ['scripts/run.mjs', 'simulate', ...args];
    execFile(process.execPath, command, { cwd: root, timeout: 150_000 }, (error, stdout, stderr) =>
      resolve({ exitCode: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` }),
    );
  });
}

test('a hundred posts of a known seed live as they must, and the same way twice', async () => {
  const { exitCode, output } = await simulate('--seed', '7', '--posts', '100', '--twice');
  expect([exitCode, output]).toEqual([0, expect.stringContaining(' 0 worlds with violations')]);
}, 180_000);

test('a hundred and fifty posts of other seeds live as they must', async () => {
  const { exitCode, output } = await simulate('--seed', '500', '--posts', '150');
  expect([exitCode, output]).toEqual([0, expect.stringContaining(' 0 worlds with violations')]);
}, 180_000);

test.each(['second-commit', 'doubt-is-not-sent', 'answers-before-disarm', 'stale-projection'])(
  'notices a planted fault: %s',
  async (plant) => {
    const { exitCode, output } = await simulate('--seed', '1', '--posts', '400', '--plant', plant);
    expect([exitCode, output]).toEqual([1, expect.stringContaining('1 worlds with violations')]);
  },
  180_000,
);
