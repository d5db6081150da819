// A foreign issuer (oidc-provider) on a free port. Prints one line of JSON, its address and tokens of its own, and
// goes on until its standard input ends.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const key = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  ...more,
});
const keys = [
  key('rsa', { modulusLength: 2048 }, { alg: 'RS256', kid: 'r' }),
  key('ec', { namedCurve: 'P-256' }, { alg: 'ES256', kid: 'e' }),
  key('ed25519', {}, { alg: 'EdDSA', kid: 'd' }),
];
// The port is a part of the name.
const { createServer } = await import('node:http');
const server = createServer((request, reply) => answer(request, reply));
let answer;
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [{
    client_id: 'robot', client_secret: 'robot-secret', grant_types: ['client_credentials'],
    redirect_uris: [], response_types: [],
  }],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: '', audience: new URL(resource).pathname.slice(1), accessTokenFormat: 'jwt',
        jwt: { sign: { alg: new URL(resource).host.toUpperCase() } },
      }),
    },
  },
});
answer = provider.callback();

async function token(resource) {
  const told = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('robot:robot-secret')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
  });
  const reply = await told.json();
  if (!reply.access_token) throw new Error(JSON.stringify(reply));
  return reply.access_token;
}
const good = [await token('https://rs256/emporium'), await token('https://es256/emporium')];
const foreign = await token('https://rs256/another');
console.log(JSON.stringify({ issuer, good, foreign }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
