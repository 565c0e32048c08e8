import { cpus, release, totalmem, type } from 'node:os';

/** What the figures were measured on, and with. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(versions: Readonly<Record<string, string>>): Machine {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGibibytes: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    versions,
  };
}
