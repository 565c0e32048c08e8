/** Takes one line of progress meant for a person. */
export type Report = (line: string) => void;

/** Environment variables as a plain record: these modules never read the process's own environment. */
export type Environment = Readonly<Record<string, string | undefined>>;
