import { z } from 'zod';
import { definitions, type PlatformEndpoints } from '../adapters/platforms/registry.ts';
import { defaultArmLeadMs } from '../domain/leads.ts';
import { defaultLargestFiles, type LargestFiles } from '../domain/media-limits.ts';
import { type Platform, platforms, postTypes, roles } from '../domain/post.ts';
import { defaultRates, type Rates } from '../domain/rates.ts';
import { isTimeZone } from '../domain/time-zone.ts';

/**
 * The one module that reads the environment: once, into a frozen, typed object. Every bad variable is named in one
 * message, with what it must look like and never with its value.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) address' });
const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// address' });
const port = z.coerce.number().int().min(0).max(65_535);
/** Comma-separated. */
const ports = z
  .string()
  .transform((text) => text.split(',').map(Number))
  .pipe(z.array(z.int().min(1).max(65_535)).min(1));
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const milliseconds = (most: number) => z.coerce.number().int().min(0).max(most);

/** `id:base64,id:base64`; the first key is the current one, the others stay to open what was sealed earlier. */
const keyring = z.string().transform((text, context) => {
  const pairs = text.split(',').map((pair) => pair.trim().split(':'));
  const keys: Record<string, Uint8Array> = {};
  for (const [id, encoded] of pairs) {
    const key = Buffer.from(encoded ?? '', 'base64');
    if (!id || key.length !== 32) {
      context.addIssue('must be id:base64 pairs, comma-separated, each key 32 bytes');
      return z.NEVER;
    }
    keys[id] = key;
  }
  return { currentKeyId: pairs[0]![0]!, keys };
});

export const parseKeyring = (text: string) => keyring.parse(text);

const issuer = z
  .strictObject({
    issuer: z.string().min(1),
    audience: z.string().min(1),
    algorithm: z.enum(['HS256', 'RS256', 'ES256', 'EdDSA']),
    secret: z.string().min(32).optional(),
    jwksUrl: httpUrl.optional(),
    tenants: z.union([z.literal('*'), z.array(z.uuid())]),
    roles: z.array(z.enum(roles)).min(1),
  })
  .refine((value) => (value.algorithm === 'HS256' ? value.secret : value.jwksUrl), {
    error: 'HS256 needs `secret` (at least 32 characters), every other algorithm `jwksUrl`',
  });

const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('must be JSON');
    return z.NEVER;
  }
});
const rate = z
  .strictObject({ perMinute: z.number().positive().max(1e6), burst: z.int().min(1).max(1e6) })
  .nullable();
const cap = z.strictObject({
  counts: z.enum(['app', 'profile']),
  max: z.int().min(1).max(10_000),
  window: z.union([
    z.strictObject({ hours: z.number().positive().max(168) }),
    z.strictObject({ dayIn: z.string().refine(isTimeZone, 'must be a time zone, e.g. America/Los_Angeles') }),
  ]),
  types: z.array(z.enum(postTypes)).min(1).optional(),
  includesParts: z.literal(true).optional(),
  isReadLive: z.literal(true).optional(),
});
/**
 * Rates and caps by platform as JSON, e.g. `{"linkedin":{"profile":{"perMinute":30,"burst":10}}}`; what is left out keeps
 * its default.
 */
const rates = jsonText
  .pipe(
    z.strictObject(
      Object.fromEntries(
        platforms.map((platform) => [
          platform,
          z
            .strictObject({
              app: rate.optional(),
              profile: rate.optional(),
              caps: z.array(cap).max(20).optional(),
            })
            .optional(),
        ]),
      ),
    ),
  )
  .transform((given): Rates => {
    const merged = platforms.map((platform) => [platform, { ...defaultRates[platform], ...given[platform] }]);
    return Object.fromEntries(merged) as Rates;
  });

/** The setting that says where a host of a platform is. */
export const hostSetting = (platform: Platform, name: string) => `${platform}_${name}_URL`.toUpperCase();
export const versionSetting = (platform: Platform) => `${platform}_VERSION`.toUpperCase();

const issuers = jsonText.pipe(z.array(issuer).min(1));

const common = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  TEMPORAL_ADDRESS: z.string().min(1),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: z.string().optional(),
  TEMPORAL_TLS: flag.default(false),
  GATEPOST_KEYS: keyring,
  S3_ENDPOINT: httpUrl,
  S3_PUBLIC_ENDPOINT: httpUrl.optional(),
  S3_REGION: z.string().min(1).default('us-east-1'),
  S3_BUCKET: z.string().min(1).default('gatepost'),
  S3_ACCESS_KEY_ID: z.string().min(1),
  S3_SECRET_ACCESS_KEY: z.string().min(1),
  S3_FORCE_PATH_STYLE: flag.default(true),
  GATEPOST_IMPORT_HTTP: flag.default(false),
  GATEPOST_IMPORT_PORTS: ports.default([80, 443]),
  GATEPOST_LARGEST_VIDEO_BYTES: z.coerce
    .number()
    .int()
    .min(defaultLargestFiles.image)
    .max(5_368_709_120)
    .default(defaultLargestFiles.video),
};

/** `<PLATFORM>_<HOST>_URL` for each host of each platform, `<PLATFORM>_VERSION` where it has one. */
const platformSettings: Readonly<Record<string, z.ZodType<string>>> = Object.fromEntries(
  platforms.flatMap((platform) => {
    const { live, versionPattern } = definitions[platform];
    const hosts = Object.entries(live.hosts).map(([name, url]) => [
      hostSetting(platform, name),
      httpUrl.default(url),
    ]);
    if (!versionPattern) return hosts;
    const version = z.string().regex(versionPattern, `must match ${versionPattern.source}`);
    return [...hosts, [versionSetting(platform), version.default(live.version)]];
  }),
);

/** The interface exchanges codes, the worker does everything else. */
const reachingPlatforms = {
  SANDBOX_URL: httpUrl.optional(),
  ...platformSettings,
};

const apiSchema = z.object({
  ...common,
  GATEPOST_API_DATABASE_URL: postgresUrl,
  GATEPOST_API_DATABASE_CONNECTIONS: z.coerce.number().int().min(1).max(200).default(10),
  GATEPOST_API_HOST: z.string().default('127.0.0.1'),
  GATEPOST_API_PORT: port.default(4400),
  GATEPOST_PUBLIC_URL: httpUrl.optional(),
  GATEPOST_ISSUERS: issuers,
  GATEPOST_AUTHORIZATION: z.enum(['members', 'claims']).default('members'),
  GATEPOST_ARM_LEAD_MS: milliseconds(60_000).default(defaultArmLeadMs),
  GATEPOST_ACCEPT_SIGNALS: flag.default(false),
  GATEPOST_WEB_UI_ORIGIN: httpUrl.optional(),
  ...reachingPlatforms,
});

const workerSchema = z.object({
  ...common,
  GATEPOST_WORKER_DATABASE_URL: postgresUrl,
  GATEPOST_WORKER_DATABASE_CONNECTIONS: z.coerce.number().int().min(1).max(200).default(20),
  GATEPOST_WORKFLOW_BUNDLE: z.string().optional(),
  GATEPOST_STICKY_TIMEOUT_MS: milliseconds(60_000).default(defaultArmLeadMs),
  GATEPOST_SHUTDOWN_GRACE_MS: milliseconds(600_000).default(20_000),
  GATEPOST_MAX_CACHED_WORKFLOWS: z.coerce.number().int().min(0).default(500),
  GATEPOST_TRANSFERS_AT_ONCE: z.coerce.number().int().min(1).max(1_000).default(100),
  GATEPOST_TRANSFERS_PER_SECOND: z.coerce.number().min(0.1).max(10_000).default(50),
  GATEPOST_MAINTENANCE_EVERY_SECONDS: z.coerce.number().int().min(5).max(3_600).default(60),
  GATEPOST_FAILPOINT: z.string().optional(),
  GATEPOST_RATES: rates.default(defaultRates),
  ...reachingPlatforms,
  GATEPOST_PUBLIC_URL: httpUrl.optional(),
});

export type ApiConfig = Readonly<z.infer<typeof apiSchema>>;
export type WorkerConfig = Readonly<z.infer<typeof workerSchema>>;
export type CommonConfig = Pick<ApiConfig & WorkerConfig, keyof typeof common>;

/** What is taken at most; a presigned PUT and a copy within the store end at 5 GiB. */
export const largestFilesOf = (config: Pick<CommonConfig, 'GATEPOST_LARGEST_VIDEO_BYTES'>): LargestFiles => ({
  ...defaultLargestFiles,
  video: config.GATEPOST_LARGEST_VIDEO_BYTES,
});

/** What addresses media may be fetched from. */
export const outsideOf = (config: Pick<CommonConfig, 'GATEPOST_IMPORT_HTTP' | 'GATEPOST_IMPORT_PORTS'>) => ({
  allowHttp: config.GATEPOST_IMPORT_HTTP,
  ports: config.GATEPOST_IMPORT_PORTS,
});

/** Where the platforms are reached for tenants in mode live. */
export function endpointsOf(config: ApiConfig | WorkerConfig): PlatformEndpoints {
  const settings = config as Readonly<Record<string, unknown>>;
  const endpoints = platforms.map((platform) => {
    const { live } = definitions[platform];
    const names = Object.keys(live.hosts);
    const hosts = Object.fromEntries(names.map((name) => [name, settings[hostSetting(platform, name)]]));
    return [platform, { ...live, hosts, version: settings[versionSetting(platform)] ?? live.version }];
  });
  return Object.fromEntries(endpoints) as PlatformEndpoints;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export const readApiConfig = (environment: Environment): ApiConfig => {
  const config = read(apiSchema, environment);
  const insecure =
    config.NODE_ENV === 'production' && config.GATEPOST_ISSUERS.some((one) => one.algorithm === 'HS256');
  if (insecure)
    throw new ConfigError('GATEPOST_ISSUERS: HS256 is for development; production needs a jwksUrl');
  return config;
};

export const readWorkerConfig = (environment: Environment): WorkerConfig => {
  const config = read(workerSchema, environment);
  if (config.NODE_ENV === 'production' && config.GATEPOST_FAILPOINT)
    throw new ConfigError('GATEPOST_FAILPOINT: kills the worker, and is for crash tests only');
  return config;
};

function read<Schema extends z.ZodType>(schema: Schema, environment: Environment): z.infer<Schema> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = schema.safeParse(given);
  if (result.success) return Object.freeze(result.data) as z.infer<Schema>;
  const lines = result.error.issues.map((issue) => {
    const [name, ...rest] = issue.path;
    const missing = given[String(name)] === undefined;
    return `  ${String(name)}${rest.length > 0 ? `.${rest.join('.')}` : ''}: ${missing ? 'is missing' : issue.message}`;
  });
  throw new ConfigError(`The configuration is not usable:\n${lines.join('\n')}`);
}
