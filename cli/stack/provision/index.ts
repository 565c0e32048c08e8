import type { ProvidedHow, ProvideOptions } from './artifact.ts';
import { providePostgres } from './postgres.ts';
import { provideTemporalCli } from './temporal-cli.ts';
import { provideTemporalTestServer } from './temporal-test-server.ts';
import { provideVersitygw } from './versitygw.ts';

/** What can be provided. */
export type Provision = 'temporal-cli' | 'temporal-test-server' | 'postgres' | 'versitygw';

export interface ProvidedExecutable {
  executablePath: string;
  how: ProvidedHow;
}

/** What was provided; a part that was not asked for is missing. */
export interface Provided {
  temporalCli?: ProvidedExecutable;
  temporalTestServer?: ProvidedExecutable;
  postgres?: { binFolder: string; how: ProvidedHow };
  versitygw?: ProvidedExecutable;
}

/**
 * Makes sure that the programs of the embedded servers are there (default: all of them), and says how each was had.
 *
 * Downloads run side by side; the two Go builds run one after the other, because each uses every core. May run twice
 * and in several processes at once. Throws after all have settled: the StackError, or an AggregateError of
 * several.
 */
export async function provisionAll(
  options: ProvideOptions & { only?: readonly Provision[] | undefined },
): Promise<Provided> {
  const wanted = (name: Provision) => options.only === undefined || options.only.includes(name);
  const provided: Provided = {};
  const tell = <Result extends { how: ProvidedHow }>(title: string, result: Result): Result => {
    if (result.how !== 'cache') options.report(`${title}: ready (${result.how})`);
    return result;
  };
  async function versitygw(): Promise<void> {
    if (wanted('versitygw')) provided.versitygw = tell('versitygw (S3)', await provideVersitygw(options));
  }
  async function temporalCli(): Promise<void> {
    if (wanted('temporal-cli'))
      provided.temporalCli = tell('Temporal CLI', await provideTemporalCli(options));
  }
  async function testServer(): Promise<void> {
    if (!wanted('temporal-test-server')) return;
    provided.temporalTestServer = tell('Temporal test server', await provideTemporalTestServer(options));
  }
  async function postgres(): Promise<void> {
    if (wanted('postgres')) provided.postgres = tell('PostgreSQL', await providePostgres(options));
  }
  const firstBuild = versitygw();
  // The second build begins when the first has ended, well or badly: one report then names all that is missing.
  const secondBuild = firstBuild.then(temporalCli, temporalCli);
  const outcomes = await Promise.allSettled([firstBuild, secondBuild, testServer(), postgres()]);
  options.signal?.throwIfAborted();
  const problems = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) {
    throw new AggregateError(problems, problems.map((problem) => (problem as Error).message).join('\n'));
  }
  return provided;
}
