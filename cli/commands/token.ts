import type { Role } from '../../domain/post.ts';
import { localSecrets } from '../local/secrets.ts';
import { signLocalToken } from '../local/token.ts';
import { stateDir } from './state-dir.ts';

/** Prints a token that the API of `npm run dev` and `npm run demo` on this machine accepts. */
export async function token(options: {
  role: Role;
  subject: string;
  tenant?: string;
  hours: number;
}): Promise<void> {
  const secrets = await localSecrets(stateDir);
  const signed = await signLocalToken(secrets, { ...options, tenantId: options.tenant });
  process.stdout.write(`${signed}\n`);
}
