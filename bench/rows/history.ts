import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { postWorkflowId } from '../../workflows/ids.ts';
import { until } from '../measure/load.ts';
import { mean, median } from '../measure/statistics.ts';
import { floorTaskQueue, startFloorWorkflows } from '../product/floor.ts';
import { createOutcomes } from '../product/outcomes.ts';
import { type Product, startProduct } from '../product/product.ts';
import { approve, type BenchTenant, createTenant, createText, uploadPicture } from '../product/tenant.ts';
import { atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import { round, stopAfter } from './support.ts';

/** The arm lead, and time to pass the gates before it. */
const dueInMs = 14_000;
const kilobyte = 1024;

export const historyRow: Row = {
  name: 'history',
  title: 'Size of a history',
  method:
    'What the server says of the finished run of a post that was created with a due time, approved at each of its gates ' +
    'and published on time, with the arm lead of production. The median of a few posts each: how many workflow tasks ' +
    'there are depends a little on timing. Floor: the bare workflow with three gates by Update. Bytes are those of the ' +
    'encrypted payloads as they are stored.',
  measure,
};

interface Size {
  readonly events: number;
  readonly kilobytes: number;
}

async function measure({ options, servers }: BenchContext): Promise<RowFindings> {
  const repeats = options.quick ? 2 : 5;
  const floor = await startFloorWorkflows(servers);
  const product = await startProduct(servers);
  return stopAfter([floor, product], async () => {
    const bare = await Promise.all(Array.from({ length: repeats }, () => measureBare(floor.client)));
    const tenant = await createTenant(product, { profiles: 40 });
    const picture = await uploadPicture(product, tenant);
    const kinds = { text: {}, image: pictureFields(picture) };
    const measureAll = (fields: object, targets: number) =>
      measureKind(product, tenant, { repeats, fields, targets });
    const [text, image, two, three] = await Promise.all([
      measureAll(kinds.text, 1),
      measureAll(kinds.image, 1),
      measureAll(kinds.text, 2),
      measureAll(kinds.text, 3),
    ]);
    const events = (sizes: readonly Size[]) => median(sizes.map((size) => size.events));
    const kilobytes = (sizes: readonly Size[]) => median(sizes.map((size) => size.kilobytes));
    const beside = (value: (sizes: readonly Size[]) => number, service: readonly Size[]) => ({
      floor: value(bare),
      service: value(service),
      ratio: value(service) / value(bare),
    });
    const further = mean([events(two) - events(text), events(three) - events(two)]);
    return {
      figures: [
        { label: 'text', unit: 'events', ...beside(events, text), goal: atMost(60) },
        { label: 'text', unit: 'KiB', ...beside(kilobytes, text), goal: atMost(16) },
        { label: 'single image', unit: 'events', ...beside(events, image), goal: atMost(60) },
        { label: 'single image', unit: 'KiB', ...beside(kilobytes, image), goal: atMost(16) },
        ...[{ label: 'per further target', unit: 'events', floor: null, service: further, ratio: null }].map(
          (figure) => ({ ...figure, goal: atMost(12) }),
        ),
      ],
      notes: Object.entries({ bare, text, image, 'two targets': two, 'three targets': three }).map(
        ([name, sizes]) =>
          `${name}: ${sizes.map((size) => `${size.events} events, ${round(size.kilobytes)} KiB`).join('; ')}`,
      ),
      rounds: null,
    };
  });
}

const pictureFields = (mediaId: string) => ({
  type: 'SINGLE_IMAGE',
  media: [{ mediaId, altText: 'A loaf of bread' }],
});

async function measureBare(client: Client): Promise<Size> {
  const workflowId = randomUUID();
  const handle = await client.workflow.start('gated', { workflowId, taskQueue: floorTaskQueue });
  for (let gate = 1; gate <= 3; gate += 1) await handle.executeUpdate('approve', { args: [{ gate }] });
  await handle.result();
  return sizeOf(client, workflowId);
}

/** One after the other, as people work; the posts of all kinds then wait for their due times together. */
async function measureKind(
  product: Product,
  tenant: BenchTenant,
  { repeats, fields, targets }: { repeats: number; fields: object; targets: number },
): Promise<Size[]> {
  const outcomes = createOutcomes(product.pool);
  const published: Promise<Size>[] = [];
  for (let index = 0; index < repeats; index += 1) {
    const dueAt = new Date(Date.now() + dueInMs).toISOString();
    const post = await createText(product, tenant, {
      index: index * targets,
      fields: { ...fields, dueAt },
      targets,
    });
    await approve(product, tenant.reviewer, post, 'content');
    if ('media' in fields) await approve(product, tenant.reviewer, post, 'design');
    await approve(product, tenant.reviewer, post, 'publish');
    const workflowId = postWorkflowId(tenant.id, post.id);
    published.push(outcomes.whenPublished(post.id).then(() => sizeOf(product.temporal, workflowId)));
  }
  const sizes = await Promise.all(published);
  outcomes.stop();
  return sizes;
}

async function sizeOf(client: Client, workflowId: string): Promise<Size> {
  const handle = client.workflow.getHandle(workflowId);
  // The row says PUBLISHED a moment before the run ends.
  await until(`run ${workflowId} has ended`, 10_000, async () => {
    const { status } = await handle.describe();
    return status.name === 'COMPLETED';
  });
  const { historyLength, historySize } = await handle.describe();
  return { events: historyLength, kilobytes: (historySize ?? Number.NaN) / kilobyte };
}
