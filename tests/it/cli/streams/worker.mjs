// A stock worker of BullMQ. The first try of what tells of a new product fails; a later one says how far it is, and asks
// the shop for something, under a key that follows from the job. It prints of each job that is done one line of JSON.
import { Worker } from 'bullmq';
import Redis from 'ioredis';

const [redis, shop, token] = process.argv.slice(2);
const connection = new Redis(redis, { maxRetriesPerRequest: null });
connection.on('error', () => {});

const query = `mutation($input: ReviseProductInput!) {
  reviseProduct(input: $input) { version userErrors { code } } }`;

async function work(job) {
  if (job.name !== 'emporium.product.created.v1') return null;
  if (job.attemptsMade === 0) throw new Error('not at once');
  await job.updateProgress(50);
  const input = {
    productId: job.data.subject, name: 'Revised by a job', family: 'kitchen', description: '',
    expectedVersion: 1, idempotencyKey: job.id,
  };
  const reply = await fetch(shop, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const { data } = await reply.json();
  if (!data?.reviseProduct || data.reviseProduct.userErrors.length > 0) throw new Error('not done');
  return data.reviseProduct.version;
}

const worker = new Worker('emporium', work, { connection, concurrency: 4 });
worker.on('error', () => {});
worker.on('completed', (job) => {
  console.log(JSON.stringify({ id: job.id, event: job.data.id, type: job.name,
    attempts: job.attemptsMade, progress: job.progress }));
});
