import type { Row } from '../row.ts';
import { lifecycleRow } from './lifecycle.ts';

/** Everything that is measured, in the order it is measured in. */
export const rows: readonly Row[] = [lifecycleRow];
