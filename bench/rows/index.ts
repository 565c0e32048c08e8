import type { Row } from '../row.ts';
import { approvalRow } from './approval.ts';
import { bootRow } from './boot.ts';
import { claimRow } from './claim.ts';
import { createRow } from './create.ts';
import { historyRow } from './history.ts';
import { latenessRow } from './lateness.ts';
import { lifecycleRow } from './lifecycle.ts';
import { memoryRow } from './memory.ts';
import { readRow } from './read.ts';
import { recoveryRow } from './recovery.ts';
import { videoRow } from './video.ts';

/** Everything that is measured, in the order it is measured in. */
export const rows: readonly Row[] = [
  lifecycleRow,
  historyRow,
  latenessRow,
  approvalRow,
  readRow,
  createRow,
  claimRow,
  memoryRow,
  bootRow,
  recoveryRow,
  videoRow,
];
