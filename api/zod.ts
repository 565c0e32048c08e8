import { extendZodWithOpenApi } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';

extendZodWithOpenApi(z);

/** Zod with `.openapi()`: every schema of the interface is made with this one. */
export { z };
