import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { createRunDirectory } from '../../cli/run-directory.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { testEndpoints } from '../support/endpoints.ts';

let connection: Connection;
let client: Client;
beforeAll(async () => {
  connection = await Connection.connect({ address: testEndpoints().temporalAddress });
  client = new Client({ connection, identity: 'operator@desk' });
});
afterAll(async () => {
  await connection.close();
});

test('tells a run that is open, was ended by hand by whom and why, or is not known', async () => {
  const [tenantId, postId] = [randomUUID(), randomUUID()];
  const runs = createRunDirectory(client);
  expect(await runs.describe(tenantId, postId)).toEqual({ kind: 'missing' });
  // Nobody polls this queue: the run is open and goes nowhere.
  const handle = await client.workflow.start('postWorkflow', {
    workflowId: postWorkflowId(tenantId, postId),
    taskQueue: `nobody-${postId}`,
    args: [],
  });
  expect(await runs.describe(tenantId, postId)).toEqual({ kind: 'running' });
  await handle.terminate('stuck since Tuesday');
  expect(await runs.describe(tenantId, postId)).toEqual({
    kind: 'closed',
    how: 'terminated',
    reason: 'stuck since Tuesday',
    by: 'operator@desk',
  });
});
