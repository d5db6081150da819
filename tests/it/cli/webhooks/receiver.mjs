// A receiver of webhooks that checks each request by the package of Standard Webhooks. It prints the port that it
// listens on; then takes the secret from its input, a line; then prints of each request one line of JSON. The first
// request is never answered.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';

const secrets = [];
createInterface({ input: process.stdin }).on('line', (line) => {
  secrets.push(line);
  console.log('known');
});

function opens(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

let requests = 0;
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => (body += piece));
  request.on('end', () => {
    const { type, id } = JSON.parse(body);
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const told = {
      id: request.headers['webhook-id'],
      isOf: id === request.headers['webhook-id'],
      type,
      opens: secrets.map((secret) => opens(secret, body, request.headers)),
      forged: opens(other, body, request.headers) || opens(secrets[0], `${body} `, request.headers),
    };
    requests += 1;
    if (requests > 1) response.writeHead(204).end();
    console.log(JSON.stringify(told));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
