/** Builds `dist/`: compiled code, what is no TypeScript beside it, and the workflow bundle. For images and hosts. */
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (...command) => execFileSync(process.execPath, command, { cwd: root, stdio: 'inherit' });

rmSync(join(root, 'dist'), { recursive: true, force: true });
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
for (const path of [
  'db/migrations',
  'workflows/failure-converter.cjs',
  'api/openapi.json',
  'cli/stack/temporal-cli',
  'cli/stack/temporal-test-server',
])
  cpSync(join(root, path), join(root, 'dist', path), { recursive: true });
run('dist/cli/gatepost.js', 'build-bundle', 'dist/workflow-bundle.js');
