import type { Row } from '../row.ts';
import { approvalRow } from './approval.ts';
import { claimRow } from './claim.ts';
import { createRow } from './create.ts';
import { historyRow } from './history.ts';
import { lifecycleRow } from './lifecycle.ts';
import { readRow } from './read.ts';

/** Everything that is measured, in the order it is measured in. */
export const rows: readonly Row[] = [lifecycleRow, historyRow, approvalRow, readRow, createRow, claimRow];
