// From the streams of a shop (`[streams]` of its configuration) into a queue of BullMQ, by BullMQ's own client: what stands
// in Redis for a job is its affair, and changes with its versions. A job has the name of the type of an event, the event as its
// data, and its id, so that what is added twice is one job for as long as BullMQ keeps it.
//
//   npm install bullmq ioredis
//   SHOP_REDIS=redis://… BULLMQ_REDIS=redis://… node bridge.mjs
//
// Any number of these may run. An event is acknowledged once it is a job; what one of them left is taken up by another.
import { Queue } from 'bullmq';
import Redis from 'ioredis';

const {
  SHOP_REDIS = 'redis://127.0.0.1:6379',
  BULLMQ_REDIS = SHOP_REDIS,
  // `streams.prefix`, and the number of shards (`emporium cluster status`).
  PREFIX = 'emporium',
  SHARDS = '256',
  QUEUE = 'emporium',
  // How often a job is tried, and the pause after the first try, which doubles.
  ATTEMPTS = '10',
  BACKOFF_MS = '1000',
  // What else is said of the jobs of a type of event, in BullMQ's own words, as JSON: by the type, or `*`, which goes before.
  //   {"emporium.order.submitted.v1": {"priority": 1}, "emporium.user.registered.v1": {"delay": 60000}, "*": {"priority": 9}}
  // A smaller priority goes first, and jobs without one before all that have one.
  OPTIONS = '{}',
  // For how long a job that is done is known, in seconds: no replay goes back further without doing it again.
  KEPT_SECONDS = '604800',
  // What nobody has acknowledged for so long is taken up by another bridge.
  TAKEN_UP_AFTER_MS = '30000',
} = process.env;

const GROUP = 'bullmq';
const NAME = `${process.pid}-${Date.now()}`;
const COUNT = 100;

const shop = new Redis(SHOP_REDIS, { maxRetriesPerRequest: null });
const queue = new Queue(QUEUE, { connection: new Redis(BULLMQ_REDIS, { maxRetriesPerRequest: null }) });
for (const connection of [shop, queue]) connection.on('error', (error) => console.error(error.message));
const options = JSON.parse(OPTIONS);
const streams = Array.from({ length: Number(SHARDS) }, (_, shard) => `${PREFIX}:events:${shard}`);

function job(fields) {
  const event = JSON.parse(fields[fields.indexOf('event') + 1]);
  const opts = {
    attempts: Number(ATTEMPTS),
    backoff: { type: 'exponential', delay: Number(BACKOFF_MS) },
    removeOnComplete: { age: Number(KEPT_SECONDS) },
    ...options['*'],
    ...options[event.type],
    // What makes it one job, however often it is added.
    jobId: event.id,
  };
  return { name: event.type, data: event, opts };
}

async function add(stream, entries) {
  // What was trimmed meanwhile has no fields.
  const there = entries.filter(([, fields]) => fields);
  if (there.length > 0) await queue.addBulk(there.map(([, fields]) => job(fields)));
  if (entries.length > 0) await shop.xack(stream, GROUP, ...entries.map(([id]) => id));
}

async function begin() {
  for (const stream of streams) {
    await shop.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM').catch((error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }
}

// What another bridge has read and not acknowledged.
async function takeUp() {
  for (const stream of streams) {
    const found = await shop.xautoclaim(stream, GROUP, NAME, TAKEN_UP_AFTER_MS, '0', 'COUNT', COUNT);
    await add(stream, found[1]);
  }
}

async function read() {
  const words = ['GROUP', GROUP, NAME, 'COUNT', COUNT, 'BLOCK', 1000];
  const found = await shop.xreadgroup(...words, 'STREAMS', ...streams, ...streams.map(() => '>'));
  for (const [stream, entries] of found ?? []) await add(stream, entries);
}

for (let looked = 0; ; ) {
  try {
    if (Date.now() - looked >= Number(TAKEN_UP_AFTER_MS)) {
      await takeUp();
      looked = Date.now();
    }
    await read();
  } catch (error) {
    // Also after a Redis that came back empty, and after a replay.
    if (error.message.includes('NOGROUP')) await begin().catch(() => {});
    else await new Promise((resume) => setTimeout(resume, 1000));
  }
}
