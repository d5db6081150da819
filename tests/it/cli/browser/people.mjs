// Somebody with a real browser (playwright-core drives it) at the built-in issuer: he registers, signs in to an app
// that is nothing but a stock client (oidc-client-ts), and looks after his second factor and his passkeys.
//
// Prints one line of JSON: where the issuer is reached (`issuer`), where the app is (`app`), and where letters are
// taken (`smtp`). Then it reads one line, the address of the server, and prints what it saw as another. Argument: the browser.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { SMTPServer } from 'smtp-server';

const PASSWORD = 'k7fq2m9xw4 plum';
const listen = async (server) => {
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return (server.address ? server.address() : server.server.address()).port;
};

// The app: three pages, which are one.
const library = readFileSync('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js');
const app = createServer((request, reply) => {
  if (request.url === '/oidc.js') return reply.end(library);
  reply.setHeader('content-type', 'text/html');
  return reply.end('<!doctype html><title>Till</title><script src="/oidc.js"></script><h1>Till</h1>');
});

// The issuer by its name: authenticators answer for none that is a number.
let upstream;
const proxy = createServer((request, reply) => {
  const { method, url: path, headers } = request;
  const on = ask({ host: '127.0.0.1', port: upstream, method, path, headers }, (told) => {
    reply.writeHead(told.statusCode, told.headers);
    told.pipe(reply);
  });
  on.on('error', () => reply.destroy());
  request.pipe(on);
});

const letters = [];
let arrived = () => {};
const mail = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  async onData(stream, _, done) {
    const parts = [];
    for await (const part of stream) parts.push(part);
    letters.push(Buffer.concat(parts).toString('utf8').replaceAll('=\r\n', '').replaceAll('=3D', '='));
    arrived();
    done();
  },
});
const letter = async () => {
  while (letters.length === 0) await new Promise((come) => (arrived = come));
  return letters.shift();
};

const [appPort, proxyPort, smtp] = [await listen(app), await listen(proxy), await listen(mail)];
const issuer = `http://localhost:${proxyPort}`;
const till = `http://127.0.0.1:${appPort}`;
console.log(JSON.stringify({ issuer, app: till, smtp }));
const [line] = await new Promise((read) => createInterface({ input: process.stdin }).once('line', (it) => read([it])));
upstream = Number(line.split(':').pop());

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--no-first-run',
  ],
});
const seen = { complaints: [] };
const opened = async (options) => {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on('console', (message) => {
    if (/Content Security Policy|Content-Security-Policy/.test(message.text())) seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  return { context, page };
};
const heading = (page) => page.locator('h1').innerText();
const press = async (page, name) => {
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name, exact: true }).click()]);
};

// RFC 6238, by this program's own means: each time of a later step, the first of the one before this.
let used = 0;
const code = (secret) => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((it) => letters.indexOf(it).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((it) => Number.parseInt(it, 2)));
  const step = Buffer.alloc(8);
  const now = Date.now() / 30_000;
  used = Math.max(Math.floor(now) - 1, used + 1);
  step.writeBigUInt64BE(BigInt(used));
  const tag = createHmac('sha1', key).update(step).digest();
  const at = tag[19] & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
};

// With scripts off: register, sign in, a second factor.
{
  const { context, page } = await opened({ javaScriptEnabled: false });
  await page.goto(`${issuer}/auth/register`);
  await page.getByLabel('E-mail address').fill('ann@example.com');
  await press(page, 'Send the letter');
  const link = (await letter()).match(/http:\/\/localhost:\d+\/auth\/finish\S+/)[0];
  await page.goto(link);
  await page.getByLabel('Your name').fill('Ann');
  await page.getByLabel('Password').fill(PASSWORD);
  await press(page, 'Set the password');
  await page.goto(`${issuer}/auth/`);
  seen.withoutScripts = await page.getByRole('button', { name: 'Sign in by a passkey' }).isVisible();
  await page.getByLabel('E-mail address or name').fill('ann@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await press(page, 'Sign in');
  seen.signedIn = await heading(page);
  await page.getByRole('link', { name: 'Second factor' }).click();
  await page.getByLabel('Your password').fill(PASSWORD);
  await press(page, 'Begin');
  seen.secret = await page.locator('code').innerText();
  await page.getByLabel('Code').fill(code(seen.secret));
  await press(page, 'Confirm');
  seen.spare = await page.locator('li code').count();
  await page.getByRole('link', { name: 'Back' }).click();
  await press(page, 'Sign out');
  seen.signedOut = await heading(page);
  await context.close();
}

// As an app does it.
const { context, page } = await opened({});
const settings = {
  authority: issuer, client_id: 'till', redirect_uri: `${till}/in`, post_logout_redirect_uri: `${till}/`,
  scope: 'openid offline_access', response_type: 'code', loadUserInfo: true,
};
const within = (work) =>
  page.evaluate(([settings, work]) => {
    const manager = new oidc.UserManager({ ...settings, userStore: new oidc.WebStorageStateStore({ store: localStorage }) });
    return new Function('manager', `return (${work})(manager)`)(manager);
  }, [settings, work.toString()]);
const goFrom = async (work) => {
  await page.goto(`${till}/`);
  // The page may be gone before it says that it goes.
  const left = within(work).catch((error) => {
    if (!/context was destroyed/.test(error)) throw error;
  });
  await Promise.all([page.waitForURL((url) => url.origin === issuer), left]);
};
const cameBack = async () => {
  await page.waitForURL((url) => url.pathname === '/in');
  return within(async (manager) => {
    const user = await manager.signinRedirectCallback();
    return { subject: user.profile.sub, told: user.profile, token: user.access_token };
  });
};
await goFrom((manager) => manager.signinRedirect({ state: 'a cart' }));
await page.getByLabel('E-mail address or name').fill('ann@example.com');
await page.getByLabel('Password').fill(PASSWORD);
await press(page, 'Sign in');
seen.asked = await heading(page);
await page.getByLabel('Code').fill(code(seen.secret));
await page.getByRole('button', { name: 'Sign in' }).click();
const first = await cameBack();
seen.subject = first.subject;
const renewed = await within(async (manager) => {
  const user = await manager.signinSilent();
  return { subject: user.profile.sub, token: user.access_token };
});
seen.renewed = renewed.subject === first.subject && renewed.token !== first.token;
const me = (token) =>
  page.evaluate(async ([address, token]) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ query: '{ me { email } }' });
    return (await (await fetch(address, { method: 'POST', headers, body })).json()).data;
  }, [`${issuer}/graphql`, token]);
seen.me = await me(renewed.token);

// A device that knows her.
const devtools = await context.newCDPSession(page);
await devtools.send('WebAuthn.enable');
const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
  options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  },
});
await page.goto(`${issuer}/auth/passkeys`);
await page.getByLabel('Your password').fill(PASSWORD);
await press(page, 'Begin with a new one');
await press(page, 'Make a passkey');
seen.made = await page.getByRole('status').innerText();
seen.listed = await page.locator('tbody tr').count();
const known = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
seen.known = known.credentials.map((it) => [it.rpId, it.isResidentCredential]);

// Out by the app, and in again by the passkey alone.
await goFrom((manager) => manager.signoutRedirect());
seen.out = await heading(page);
await Promise.all([page.waitForURL(`${till}/`), page.getByRole('button', { name: 'Sign out' }).click()]);
await goFrom((manager) => manager.signinRedirect());
await page.getByRole('button', { name: 'Sign in by a passkey' }).click();
const second = await cameBack();
seen.again = second.subject === first.subject;
seen.meAgain = await me(second.token);

// One that nobody verified is not taken, and one that was removed is nobody's.
await goFrom((manager) => manager.signinRedirect({ prompt: 'login' }));
await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
await page.getByRole('button', { name: 'Sign in by a passkey' }).click();
await page.getByRole('alert').waitFor();
seen.unverified = await page.getByRole('alert').innerText();
await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
await page.goto(`${issuer}/auth/passkeys`);
await page.getByRole('button', { name: /^Remove/ }).click();
await page.getByText('You have none.').waitFor();
await goFrom((manager) => manager.signinRedirect({ prompt: 'login' }));
await press(page, 'Sign in by a passkey');
seen.removed = await page.locator('#wrong').innerText();

await browser.close();
console.log(JSON.stringify(seen));
process.exit(0);
