import { Command, InvalidArgumentError } from 'commander';

export interface BenchOptions {
  /** The rows to measure; all where none is named. */
  readonly only: readonly string[];
  /** Smaller sizes and fewer rounds: for developing, not for claims. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Keep the figures as those that later runs are compared with. */
  readonly save: boolean;
  /** Where to write the page. */
  readonly markdown: string | null;
}

const fullRounds = 5;
const quickRounds = 2;

/** Reads the command line; names every row there is in `--help`. */
export function readOptions(args: readonly string[], rowNames: readonly string[]): BenchOptions {
  const command = new Command('npm run bench --')
    .description('measures the product beside the bare parts it is made of, on this machine')
    .option('--only <rows>', `some of ${rowNames.join(', ')}`, namesIn(rowNames), [])
    .option('--quick', 'smaller sizes and fewer rounds', false)
    .option('--rounds <count>', `rounds per row (default ${fullRounds}, quick ${quickRounds})`, parseCount)
    .option('--save', 'keep the figures in bench/baseline.json', false)
    .option('--markdown <file>', 'write the page about what was measured');
  const given = command.parse([...args], { from: 'user' }).opts();
  return {
    only: given.only,
    quick: given.quick,
    rounds: given.rounds ?? (given.quick ? quickRounds : fullRounds),
    save: given.save,
    markdown: given.markdown ?? null,
  };
}

const namesIn = (known: readonly string[]) => (text: string) => {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new InvalidArgumentError(`There is no row ${unknown}: ${known.join(', ')}`);
  return names;
};

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 50) throw new InvalidArgumentError('1 to 50');
  return count;
}
