import type { PokeInput } from './messages.ts';
import { pokePosts } from './proxies.ts';

/** Started when a policy or a hold has changed: tells the tenant's open posts to look at their conditions again. */
export async function pokeWorkflow(input: PokeInput): Promise<number> {
  return pokePosts(input);
}
