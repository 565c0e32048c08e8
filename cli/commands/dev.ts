import type { Environment } from '../config.ts';
import { startLocalStack } from '../local/local-stack.ts';
import { stateDir } from './state-dir.ts';

/** Starts the local stack, prints where everything is, and stays up until Ctrl-C or until a part of it ends. */
export async function dev(environment: Environment): Promise<void> {
  const interrupted = new AbortController();
  // A second Ctrl-C while stopping does no harm: the stop under way ends what was started.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupted.abort(new Error(signal)));
  const report = (line: string) => process.stdout.write(`${line}\n`);
  const stack = await startLocalStack({ stateDir, environment, report, signal: interrupted.signal });
  report(
    [
      '',
      'Gatepost is up.',
      `  API                ${stack.apiUrl}/api/v1`,
      `  API documentation  ${stack.apiUrl}/docs`,
      `  Temporal Web UI    ${stack.temporalUrl ?? 'not served here'}`,
      ...(stack.temporalUrl ? [`    its posts alone  ${postsIn(stack.temporalUrl, stack.namespace)}`] : []),
      `  Sandbox feed       ${stack.sandboxUrl}`,
      '',
      '  A token for trying out:  npm run gatepost -- token --role super_admin',
      '  Logs and data:           .gatepost/ (delete it to start afresh)',
      '',
      'Ctrl-C stops everything that was started here.',
    ].join('\n'),
  );
  const ended = await Promise.race([
    stack.failed,
    new Promise<null>((resolve) => {
      if (interrupted.signal.aborted) resolve(null);
      interrupted.signal.addEventListener('abort', () => resolve(null));
    }),
  ]);
  report(ended === null ? '\nStopping ...' : `\n${ended}\nStopping the rest ...`);
  await stack.stop();
  report('Stopped.');
  if (ended !== null) process.exitCode = 1;
}

/** The Web UI's list without the maintenance runs between the posts. */
const postsIn = (temporalUrl: string, namespace: string): string =>
  `${temporalUrl}/namespaces/${namespace}/workflows?query=${encodeURIComponent('WorkflowType="postWorkflow"')}`;
