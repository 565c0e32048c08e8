import type {
  RefreshGrantInput,
  RefreshGrantResult,
  SweepTokensInput,
  SweptTokens,
} from '../activities/contract.ts';
import { cleanUpConnections, refreshGrant, sweepTokens } from './proxies.ts';

/** Renews a grant's tokens. Its id is the grant's, so there is one at a time, and whoever comes meanwhile waits for it. */
export async function tokenWorkflow(input: RefreshGrantInput): Promise<RefreshGrantResult> {
  return refreshGrant(input);
}

/** Started by a Schedule for some platforms: has every grant refreshed that is due. */
export async function tokenSweepWorkflow(input: SweepTokensInput): Promise<SweptTokens> {
  return sweepTokens(input);
}

/** Started by a Schedule: ends what nobody completed. */
export async function cleanUpConnectionsWorkflow(): Promise<SweptTokens> {
  return cleanUpConnections();
}
