// The explorer: sends what is written to /graphql and shows the reply; lists the schema.
'use strict';

const element = (id) => document.getElementById(id);
const [query, variables, operation, token, result, status, schema, search] =
  ['query', 'variables', 'operation', 'token', 'result', 'status', 'schema', 'search'].map(element);

const EXAMPLE = `# Ctrl+Enter runs this. With a token the schema stands on the right, and much more is answered:
# "emporium user token administrator" prints one.
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

async function ask(body) {
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
  sessionStorage.setItem('token', token.value.trim());
  loadSchema();
});
element('run').addEventListener('click', run);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
loadSchema();
