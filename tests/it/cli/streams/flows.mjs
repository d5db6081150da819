// Stock parts of BullMQ: a worker that does one job after another, once so many wait; a producer of flows; a listener. Of a
// new product it makes a flow of two jobs, whose parent waits for its child: each asks the shop for something, under a
// key that follows from the job; the child fails at first. Where it is to die, it does when the shop has done what the first
// child asked for, and BullMQ does not know of it. A job that tells of a user fails for good. It prints of each job that is
// done, or not done at all, and of each progress that the listener hears of, one line of JSON.
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import Redis from 'ioredis';

const [redis, shop, token, wanted, dies] = process.argv.slice(2);
const connect = () => new Redis(redis, { maxRetriesPerRequest: null });
const print = (line) => console.log(JSON.stringify(line));

const query = `mutation($input: ReviseProductInput!) {
  reviseProduct(input: $input) { version userErrors { code } } }`;

async function revise(job, name, expectedVersion) {
  const input = { productId: job.data.subject, name, family: 'kitchen', description: '', expectedVersion,
    idempotencyKey: job.id };
  const reply = await fetch(shop, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const { data } = await reply.json();
  if (!data?.reviseProduct || data.reviseProduct.userErrors.length > 0) throw new Error('not done');
  return data.reviseProduct.version;
}

const flows = new FlowProducer({ connection: connect() });

async function read(job) {
  if (job.name === 'emporium.user.registered.v1') throw new Error('never');
  if (job.name !== 'emporium.product.created.v1') return;
  // The ids follow from the job, so that whoever does it twice adds nothing.
  const of = (name, opts) => ({ name, queueName: 'shelf', data: job.data, opts: { jobId: `${job.id}/${name}`, ...opts } });
  const children = [of('describe', { attempts: 3, backoff: { type: 'fixed', delay: 10 } })];
  await flows.add({ ...of('label', {}), children });
}

async function shelve(job) {
  if (job.name === 'describe') {
    await job.updateProgress(50);
    if (job.attemptsMade === 0) throw new Error('not at once');
    const version = await revise(job, 'Described', 2);
    if (dies) process.kill(process.pid, 'SIGKILL');
    return version;
  }
  const [version] = Object.values(await job.getChildrenValues());
  return revise(job, 'Labelled', version);
}

const told = (queue, job) => ({ queue, id: job.id, name: job.name, attempts: job.attemptsMade, result: job.returnvalue,
  priority: job.opts.priority, waited: job.processedOn - job.timestamp, failed: job.failedReason });

const queue = new Queue('emporium', { connection: connect() });
const listener = new QueueEvents('shelf', { connection: connect() });
listener.on('progress', ({ jobId, data }) => print({ progress: data, id: jobId }));
await listener.waitUntilReady();
while ((await queue.getPrioritizedCount()) < Number(wanted)) await new Promise((resume) => setTimeout(resume, 20));
for (const [name, work] of [['emporium', read], ['shelf', shelve]]) {
  const worker = new Worker(name, work, { connection: connect(), concurrency: 1, lockDuration: 1000, stalledInterval: 500 });
  worker.on('completed', (job) => print(told(name, job)));
  worker.on('failed', (job) => { if (job.attemptsMade >= job.opts.attempts) print(told(name, job)); });
}
