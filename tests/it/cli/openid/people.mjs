// A foreign issuer that speaks of people: prints one line of JSON, its address and access tokens, each of a subject
// with an e-mail address, and goes on until its standard input ends.
import { createServer } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';

const { publicKey, privateKey } = await generateKeyPair('ES256');
const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'e' };
let issuer;
const server = createServer((request, reply) => {
  const document = request.url === '/keys'
    ? { keys: [jwk] }
    : { issuer, jwks_uri: `${issuer}/keys` };
  reply.setHeader('content-type', 'application/json');
  reply.end(JSON.stringify(document));
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
issuer = `http://127.0.0.1:${server.address().port}`;

// Said so many seconds ago.
const token = (subject, email, verified, id, roles, ago = 0) => new SignJWT({
  email, email_verified: verified, name: `${subject} Miller`, ...(roles && { realm_access: { roles } }),
})
  .setProtectedHeader({ alg: 'ES256', kid: 'e', typ: 'at+jwt' })
  .setIssuer(issuer).setAudience('emporium').setSubject(subject).setJti(id)
  .setIssuedAt(Math.floor(Date.now() / 1000) - ago).setExpirationTime('10m').sign(privateKey);

console.log(JSON.stringify({
  issuer,
  ann: await token('ann', 'Ann@example.com', true, '1'),
  again: await token('another ann', 'ann@example.com', true, '2'),
  bob: await token('bob', 'bob@example.com', true, '3'),
  eve: await token('eve', 'eve@example.com', 'true', '4'),
  eve_later: await token('eve', 'eve@example.com', false, '5'),
  eve_last: await token('eve', 'eve@example.com', false, '6'),
  fay_boss: await token('fay', 'fay@example.com', true, '7', ['floor', 'boss'], 300),
  fay_floor: await token('fay', 'fay@example.com', true, '8', ['floor', 'else'], 200),
  fay_floor_twice: await token('fay', 'fay@example.com', true, '9', ['floor'], 200),
  fay_none: await token('fay', 'fay@example.com', true, '10', [], 100),
  fay_again: await token('fay', 'fay@example.com', true, '11', ['floor'], 50),
  hal: await token('hal', 'hal@example.com', true, '12', ['floor'], 200),
  hal_none: await token('hal', 'hal@example.com', true, '13', [], 100),
  ida: await token('ida', 'ida@example.com', false, '14', ['floor']),
}));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
