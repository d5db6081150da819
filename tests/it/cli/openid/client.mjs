// A stock client (openid-client) at the built-in issuer: told nothing but its address, as an app is.
// Arguments: the issuer, login, password. Prints what it got as one line of JSON.
import * as client from 'openid-client';

const [issuer, login, password] = process.argv.slice(2);
const back = 'http://127.0.0.1:50123/in';
const config = await client.discovery(new URL(issuer), 'till', undefined, client.None(), {
  execute: [client.allowInsecureRequests],
});

const verifier = client.randomPKCECodeVerifier();
const [state, nonce] = [client.randomState(), client.randomNonce()];
const start = client.buildAuthorizationUrl(config, {
  redirect_uri: back,
  scope: 'openid offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
});

// The browser: keeps cookies, fills in the form, goes where it is sent.
const cookies = new Map();
async function go(url, form) {
  const told = await fetch(url, {
    method: form ? 'POST' : 'GET',
    body: form,
    redirect: 'manual',
    headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
  });
  for (const cookie of told.headers.getSetCookie()) {
    const [name, value] = cookie.split(';')[0].split('=');
    cookies.set(name, value);
  }
  return told;
}
const page = await (await go(start)).text();
const hidden = (name) =>
  page.match(new RegExp(`name="${name}" value="([^"]*)"`))[1].replaceAll('&amp;', '&');
let told = await go(
  new URL('/auth/sign-in', issuer),
  new URLSearchParams({ request: hidden('request'), form: hidden('form'), login, password }),
);
let next = new URL(told.headers.get('location'), issuer);
while (!next.href.startsWith(back)) {
  told = await go(next);
  next = new URL(told.headers.get('location'), issuer);
}

const tokens = await client.authorizationCodeGrant(config, next, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
});
const subject = tokens.claims().sub;
const user = await client.fetchUserInfo(config, tokens.access_token, subject);
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
await client.tokenRevocation(config, renewed.refresh_token);
let after = 'it is renewed still';
try {
  await client.refreshTokenGrant(config, renewed.refresh_token);
} catch (error) {
  after = error.error;
}
console.log(JSON.stringify({ subject, user, scope: tokens.scope, after }));
