// Reads the streams of a shop as a group of consumers does, with the client `ioredis`. It prints of each entry one line
// of JSON, once it has acknowledged it; where the streams are not there, or not any more, it begins with what there is
// and says so.
import Redis from 'ioredis';

const [port, shards] = process.argv.slice(2);
const redis = new Redis({ port: Number(port), host: '127.0.0.1', maxRetriesPerRequest: null });
redis.on('error', () => {});
const streams = Array.from({ length: Number(shards) }, (_, shard) => `shop:events:${shard}`);

async function begin() {
  for (const stream of streams) {
    await redis.xgroup('CREATE', stream, 'tests', '0', 'MKSTREAM').catch((error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }
  console.log(JSON.stringify({ begins: true }));
}

async function read() {
  const all = streams.map(() => '>');
  const options = ['GROUP', 'tests', 'one', 'COUNT', 100, 'BLOCK', 200];
  const found = await redis.xreadgroup(...options, 'STREAMS', ...streams, ...all);
  for (const [stream, entries] of found ?? []) {
    for (const [id, fields] of entries) {
      const told = Object.fromEntries([0, 2, 4].map((at) => [fields[at], fields[at + 1]]));
      await redis.xack(stream, 'tests', id);
      console.log(JSON.stringify({ stream, entry: id, ...told, event: JSON.parse(told.event) }));
    }
  }
}

for (;;) {
  try {
    await read();
  } catch (error) {
    if (error.message.includes('NOGROUP')) await begin().catch(() => {});
  }
}
