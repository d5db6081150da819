// Stock clients of subscriptions (graphql-ws, graphql-sse) beside a shop that goes on changing. Arguments:
// the address, an access token, the id of a product, the version to go on behind, how many events to wait
// for. Prints what came as one line of JSON.
import { createClient as overSocket } from 'graphql-ws';
import { createClient as asEvents } from 'graphql-sse';
import WebSocket from 'ws';

const [url, token, id, after, count] = process.argv.slice(2);
const authorization = `Bearer ${token}`;
const query = `subscription($id: ID!, $after: Long) {
  happened(id: $id, after: $after) { version name } }`;
const asked = { query, variables: { id, after: Number(after) } };

async function take(client) {
  const versions = [];
  for await (const told of client.iterate(asked)) {
    if (told.errors) throw new Error(JSON.stringify(told.errors));
    versions.push(told.data.happened.version);
    if (versions.length === Number(count)) break;
  }
  return versions;
}

const socket = overSocket({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { authorization },
  retryAttempts: 0,
});
const events = asEvents({ url, headers: { authorization }, retryAttempts: 0 });
const [bySocket, byEvents] = await Promise.all([take(socket), take(events)]);
await socket.dispose();
events.dispose();

// One whom nobody knows.
let refused;
const stranger = overSocket({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { authorization: 'Bearer forged' },
  retryAttempts: 0,
});
try {
  for await (const _ of stranger.iterate(asked)) break;
} catch (closed) {
  refused = closed.code;
}
console.log(JSON.stringify({ bySocket, byEvents, refused }));
process.exit(0);
