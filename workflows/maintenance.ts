import type { MaintenanceResult } from '../activities/maintenance.ts';
import { maintain } from './proxies.ts';

/** Started by a Schedule: relays the outbox and mends posts whose run is missing or was ended by hand. */
export async function maintenanceWorkflow(): Promise<MaintenanceResult> {
  return maintain();
}
