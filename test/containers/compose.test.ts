import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { readApiConfig, readWorkerConfig } from '../../cli/config.ts';
import { searchAttributeTypes } from '../../cli/search-attributes.ts';

/** None of this starts a container: it holds the container files to what they refer to. */

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, root)), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

const variable = /\$\{([A-Z][A-Z0-9_]*):-([^{}$]*)\}/g;
const composeText = read('docker-compose.yml');
const compose = parse(composeText.replace(variable, '$2'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);
const own = services.filter(([, service]) => service.build !== undefined);
const dockerfile = read('Dockerfile');
const cli = read('cli/gatepost.ts');
const commands = [...cli.matchAll(/\.command\('([a-z-]+)'\)/g)].map(([, name]) => name!);

/** The part of the command line's source that declares a command. */
function declarationOf(command: string): string {
  return cli.split(".command('").find((part) => part.startsWith(`${command}'`)) ?? '';
}

describe('docker-compose.yml', () => {
  it('is what the Compose Specification allows', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false });
    addFormats.default(ajv);
    const validate = ajv.compile(JSON.parse(read('test/containers/compose-spec.schema.json')));
    validate(parse(composeText, { merge: true }));
    expect(validate.errors ?? []).toEqual([]);
    validate({ services: { api: { imagee: 'x' } } });
    expect(JSON.stringify(validate.errors)).toContain('imagee');
  });

  it('gives every variable a default', () => {
    expect(composeText.replace(variable, '')).not.toMatch(/\$/);
  });

  it('runs only commands that the command line has, with options that they have', () => {
    const run = own.filter(([, { entrypoint }]) => entrypoint === undefined);
    expect(run.map(([name, { command }]) => `${name}: ${command![0]}`)).toEqual([
      'migrate: migrate',
      'api: api',
      'worker: worker',
      'sandbox: sandbox',
    ]);
    for (const [, service] of run) {
      const [command, ...rest] = service.command!;
      expect(commands).toContain(command);
      for (const option of rest.filter((word) => word.startsWith('--'))) {
        expect(declarationOf(command!)).toMatch(new RegExp(`'${option}[ ']`));
      }
    }
  });

  it('imports in its set-up what there is to import', async () => {
    const script = compose.services.setup!.command!.join('\n');
    const imports = [...script.matchAll(/import \{ (\w+) \} from '\.\/dist\/([\w/-]+)\.js'/g)];
    expect(imports.map(([, name]) => name)).toEqual([
      'ensureBuckets',
      'ensureSearchAttributes',
      'searchAttributeTypes',
    ]);
    for (const [, name, path] of imports) {
      const module = (await import(new URL(`${path}.ts`, root).href)) as Record<string, unknown>;
      expect(module).toHaveProperty(name!);
    }
  });

  it('configures the processes so that they start', () => {
    const { api, worker } = compose.services;
    const apiConfig = readApiConfig(api!.environment!);
    expect(apiConfig).toMatchObject({ GATEPOST_API_HOST: '0.0.0.0', TEMPORAL_ADDRESS: 'temporal:7233' });
    const workerConfig = readWorkerConfig(worker!.environment!);
    expect(workerConfig.GATEPOST_PUBLIC_URL).toBe(apiConfig.GATEPOST_PUBLIC_URL);
    expect(() => readApiConfig({ ...api!.environment, NODE_ENV: 'production' })).toThrow(
      'HS256 is for development',
    );
  });

  it('has localhost mean the same to all that tell each other addresses, and to a browser', () => {
    const { api, worker, sandbox, s3 } = compose.services;
    const { command } = sandbox!;
    const publicUrl = command![command!.indexOf('--public-url') + 1]!;
    expect(readApiConfig(api!.environment!).SANDBOX_URL).toBe(publicUrl);
    expect(readWorkerConfig(worker!.environment!).SANDBOX_URL).toBe(publicUrl);
    expect([api, worker, sandbox].map((service) => service!.network_mode)).toEqual(
      Array.from({ length: 3 }, () => 'service:s3'),
    );
    const { GATEPOST_PUBLIC_URL, GATEPOST_API_PORT, S3_PUBLIC_ENDPOINT } = api!.environment!;
    const published = [publicUrl, GATEPOST_PUBLIC_URL!, S3_PUBLIC_ENDPOINT!].map((url) => new URL(url).port);
    expect(new URL(GATEPOST_PUBLIC_URL!).port).toBe(String(GATEPOST_API_PORT));
    expect([...s3!.ports!].sort()).toEqual(published.map((port) => `127.0.0.1:${port}:${port}`).sort());
  });

  it('sets no variable that nothing reads', () => {
    const readers = read('cli/config.ts') + read('cli/commands/migrate.ts');
    const names = own.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
    expect([...new Set(names)].filter((name) => !readers.includes(name))).toEqual([]);
  });

  it('gives the processes the passwords that the migration sets', () => {
    const { migrate, api, worker } = compose.services;
    const passwordOf = (url: string): string => new URL(url).password;
    expect(passwordOf(api!.environment!.GATEPOST_API_DATABASE_URL!)).toBe(
      migrate!.environment!.GATEPOST_API_PASSWORD,
    );
    expect(passwordOf(worker!.environment!.GATEPOST_WORKER_DATABASE_URL!)).toBe(
      migrate!.environment!.GATEPOST_WORKER_PASSWORD,
    );
  });

  it('waits for what there is to wait for', () => {
    for (const [, service] of services) {
      for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
        const other = compose.services[name];
        expect(other).toBeDefined();
        if (condition === 'service_healthy') expect(other!.healthcheck?.test).toBeDefined();
        else
          expect([name, condition]).toEqual([
            expect.stringMatching(/^(migrate|setup)$/),
            'service_completed_successfully',
          ]);
      }
      const shared = service.network_mode?.replace('service:', '');
      if (shared) expect(Object.keys(service.depends_on ?? {})).toContain(shared);
    }
  });

  it('pins every image and opens ports to this machine only', () => {
    for (const [, { image, ports = [] }] of services) {
      expect(image).toMatch(/^[a-z0-9/-]+:(?!latest)[\w.-]+$/);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    }
  });

  it('declares the volumes that it mounts', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) =>
      volumes.map((volume) => volume.split(':')[0]!),
    );
    const named = mounted.filter((volume) => !volume.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  });
});

describe('the Dockerfile', () => {
  it('runs only commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const npmScripts = [...dockerfile.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!);
    expect(npmScripts).toEqual(['build']);
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(npmScripts));
    expect(scripts.build).toBe('node scripts/build.mjs');
    expect(readFileSync(new URL('scripts/build.mjs', root), 'utf8')).toContain("'build-bundle'");
    const [, command] = /^CMD \["([a-z-]+)"\]$/m.exec(dockerfile)!;
    expect(commands).toEqual(expect.arrayContaining([command, 'build-bundle']));
    expect(dockerfile).toContain('"dist/cli/gatepost.js"');
  });

  it('starts as nobody special, and asks for health', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
    expect(read('api/routes/system.ts')).toContain("path: '/healthz'");
  });

  it('copies from stages that there are', () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\w+)$/gm)].map(([, name]) => name);
    for (const [, stage] of dockerfile.matchAll(/--from=(\w+)/g)) expect(stages).toContain(stage);
  });

  it('is given every folder that is compiled', () => {
    const { include } = JSON.parse(read('tsconfig.build.json')) as { include: string[] };
    const ignored = read('.dockerignore').split('\n');
    for (const folder of [
      ...include,
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.build.json',
    ]) {
      expect(ignored).toContain(`!${folder}`);
    }
  });
});

describe('temporal-dev.yaml', () => {
  const text = read('temporal-dev.yaml');

  it('is a list of values for each key', () => {
    const keys = parse(text) as Record<string, { value: unknown; constraints: object }[]>;
    expect(Object.keys(keys)).toEqual([
      'history.timerProcessorMaxTimeShift',
      'matching.numTaskqueueReadPartitions',
      'matching.numTaskqueueWritePartitions',
      'matching.enableFairness',
      'system.forceSearchAttributesCacheRefreshOnRead',
    ]);
    expect(keys['history.timerProcessorMaxTimeShift']).toEqual([{ value: '10ms', constraints: {} }]);
  });

  it('names the search attributes that the namespace needs', () => {
    for (const name of Object.keys(searchAttributeTypes)) expect(text).toContain(name);
  });
});
