// The explorer: sends what is written to /graphql and shows the reply; lists the schema.
'use strict';

const element = (id) => document.getElementById(id);
const [query, variables, operation, token, result, status, schema, search] =
  ['query', 'variables', 'operation', 'token', 'result', 'status', 'schema', 'search'].map(element);

const EXAMPLE = `# Ctrl+Enter runs this. With a token the schema stands on the right, and much more is answered:
# sign in, or paste one that "emporium user token administrator" prints.
{
  products(first: 3) { edges { node { id name } } }
}
`;

const INTROSPECTION = `{
  __schema {
    types {
      kind name description
      fields(includeDeprecated: true) { name description args { name type { ...T } } type { ...T } }
      inputFields { name description type { ...T } }
      enumValues { name description }
      possibleTypes { name }
    }
  }
}
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

// Signing in: the authorization code with PKCE (RFC 7636), as an app of this server's own.
const APP = 'explorer';
const HERE = `${location.origin}/graphiql`;
const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const drawn = () => base64(crypto.getRandomValues(new Uint8Array(32)));

async function signIn() {
  const [verifier, state] = [drawn(), drawn()];
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  sessionStorage.setItem('signing-in', JSON.stringify({ verifier, state }));
  const asked = new URLSearchParams({
    response_type: 'code', client_id: APP, redirect_uri: HERE, scope: 'openid', state,
    code_challenge: base64(hash), code_challenge_method: 'S256',
  });
  location.assign(`/auth/authorize?${asked}`);
}

async function take(fields) {
  const body = new URLSearchParams({ client_id: APP, ...fields });
  const reply = await fetch('/auth/token', { method: 'POST', body });
  const said = await reply.json();
  if (!reply.ok) throw new Error(`signing in: ${said.error}`);
  sessionStorage.setItem('refresh', said.refresh_token);
  sessionStorage.setItem('token', said.access_token);
  token.value = said.access_token;
}

// Back from the page to sign in, with a code.
async function cameBack() {
  const told = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem('signing-in') || 'null');
  if (!told.has('state') || !begun) return;
  sessionStorage.removeItem('signing-in');
  history.replaceState(null, '', '/graphiql');
  if (told.get('state') !== begun.state || !told.has('code')) {
    status.textContent = `signing in: ${told.get('error') || 'not begun here'}`;
    return;
  }
  try {
    await take({
      grant_type: 'authorization_code', code: told.get('code'), redirect_uri: HERE,
      code_verifier: begun.verifier,
    });
  } catch (error) {
    status.textContent = error.message;
  }
}

// A token holds for minutes: another one, where the one that there is was got by signing in.
async function renewed() {
  const refresh = sessionStorage.getItem('refresh');
  sessionStorage.removeItem('refresh');
  if (!refresh) return false;
  try {
    await take({ grant_type: 'refresh_token', refresh_token: refresh });
    return true;
  } catch {
    return false;
  }
}

async function ask(body) {
  const told = await askOnce(body);
  return told.response.status === 401 && await renewed() ? askOnce(body) : told;
}

async function askOnce(body) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json;q=0.9',
  };
  if (token.value.trim()) headers.authorization = `Bearer ${token.value.trim()}`;
  const response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(body) });
  return { response, reply: await response.json() };
}

async function run() {
  const body = { query: query.value };
  if (operation.value.trim()) body.operationName = operation.value.trim();
  if (variables.value.trim()) {
    try {
      body.variables = JSON.parse(variables.value);
    } catch (error) {
      status.textContent = `variables: ${error.message}`;
      return;
    }
  }
  status.textContent = '…';
  const started = performance.now();
  try {
    const { response, reply } = await ask(body);
    const milliseconds = (performance.now() - started).toFixed(1);
    status.textContent = `${response.status} in ${milliseconds} ms`;
    result.textContent = JSON.stringify(reply, null, 2);
  } catch (error) {
    status.textContent = error.message;
  }
  try {
    localStorage.setItem('query', query.value);
    localStorage.setItem('variables', variables.value);
  } catch { /* a browser without storage loses only the text */ }
}

const typeText = (type) => {
  if (type.kind === 'NON_NULL') return `${typeText(type.ofType)}!`;
  if (type.kind === 'LIST') return `[${typeText(type.ofType)}]`;
  return type.name;
};

function node(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function described(description) {
  if (!description) return [];
  const paragraph = node('p', description);
  paragraph.className = 'text';
  return [paragraph];
}

function row(field) {
  const args = (field.args || []).map((arg) => `${arg.name}: ${typeText(arg.type)}`).join(', ');
  const type = field.type ? `: ${typeText(field.type)}` : '';
  const signature = node('code', `${field.name}${args ? `(${args})` : ''}${type}`);
  return [node('dt', '', signature), node('dd', '', ...described(field.description))];
}

function show(types, wanted) {
  const text = wanted.toLowerCase();
  const rows = (type) => [
    ...(type.fields || []), ...(type.inputFields || []),
    ...(type.enumValues || []), ...(type.possibleTypes || []),
  ];
  const matches = (type) => !text || type.name.toLowerCase().includes(text)
    || rows(type).some((field) => field.name.toLowerCase().includes(text));
  schema.replaceChildren(...types.filter(matches).map((type) => {
    const list = node('dl', '', ...rows(type).flatMap(row));
    const details = node('details', '', node('summary', type.name), ...described(type.description), list);
    details.open = Boolean(text) && type.name.toLowerCase() === text;
    return details;
  }));
}

async function loadSchema() {
  try {
    const { reply } = await ask({ query: INTROSPECTION });
    const roots = ['Query', 'Mutation'];
    const types = reply.data.__schema.types.filter((type) => !type.name.startsWith('__'));
    const rank = (type) => (roots.includes(type.name) ? roots.indexOf(type.name) : roots.length);
    types.sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
    search.oninput = () => show(types, search.value.trim());
    search.oninput();
  } catch {
    schema.textContent = 'The schema is shown to whoever says by a token who he is.';
  }
}

try {
  query.value = localStorage.getItem('query') || EXAMPLE;
  variables.value = localStorage.getItem('variables') || '';
} catch {
  query.value = EXAMPLE;
}
// Kept until the page is closed, and no longer.
token.value = sessionStorage.getItem('token') || '';
token.addEventListener('change', () => {
  sessionStorage.removeItem('refresh');
  sessionStorage.setItem('token', token.value.trim());
  loadSchema();
});
element('run').addEventListener('click', run);
element('sign-in').addEventListener('click', signIn);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
cameBack().then(loadSchema);
