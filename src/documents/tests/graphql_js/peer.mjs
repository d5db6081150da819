// The specification's reference implementation as a peer: reads a request a line, and says of each
// whether it is refused, or what its data and the paths of its errors are. The resolvers are those
// of mirror.rs.
//
//   node peer.mjs MODULE SCHEMA execute|validate

import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [module, schemaFile, mode] = process.argv.slice(2);
const { buildSchema, execute, parse, validate, getVariableValues, getOperationAST } =
  createRequire(import.meta.url)(module);
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));

// What is late and fails beside what failed already is awaited by nobody.
process.on('unhandledRejection', () => {});

const LAST = 60;
const clamp = (n, low, high) => Math.max(low, Math.min(high, n));
const fail = (message) => {
  throw new Error(message);
};
const later = (value) => new Promise((done) => setImmediate(done)).then(value);
const told = (args, name, tell) =>
  !(name in args) ? '' : args[name] === null ? `${name}=null;` : `${name}=${tell(args[name])};`;
const joined = (items) => `[${items.map((item) => (item === null ? 'null' : item)).join(',')}]`;
const filter = (f) =>
  `{a=${f.a};b=${f.b};${told(f, 'kind', String)}${told(f, 'inner', filter)}${told(f, 'list', joined)}}`;

const of = (type, n) => ({ __typename: type, n });
const item = (n) => of('Item', n);
const owner = (n) => of('Owner', n);

const resolvers = {
  Item: {
    id: ({ n }) => `item${n}`,
    name: ({ n }) => (n % 3 !== 0 ? `name${n}` : null),
    ok: ({ n }) => n,
    bad: ({ n }) => (n % 4 === 1 ? fail('bad') : 'b'),
    soft: ({ n }) => [() => 's', () => fail('soft'), () => null][n % 3](),
    child: ({ n }) => (n % 5 === 2 ? fail('child') : n < LAST ? item(n * 2 + 1) : null),
    strictChild: ({ n }) =>
      later(() => (n % 7 === 3 || n >= LAST ? fail('strict') : item(n * 2 + 2))),
    tags: ({ n }) => Array.from({ length: n % 3 }, (_, tag) => `t${tag}`),
    badTags: ({ n }) => (n % 2 === 0 ? fail('tags') : ['x']),
    looseTags: () => ['a', null],
    owner: ({ n }) => owner(n + 1),
    late: ({ n }) => later(() => n),
    lateBad: ({ n }) => later(() => (n % 2 === 1 ? fail('late') : 1)),
    echo: (_, args) => `n=${args.n};${told(args, 'text', String)}`,
  },
  Owner: {
    id: ({ n }) => `owner${n}`,
    name: ({ n }) => (n % 4 === 3 ? fail('name') : `owner${n}`),
    items: ({ n }, { first }) =>
      n >= LAST ? [] : Array.from({ length: clamp(first, 0, 3) }, (_, at) => item(n * 3 + at)),
    loose: ({ n }) => [item(n + 1), null, item(n + 2)],
    bad: ({ n }) => (n % 2 === 1 ? fail('bad') : 'b'),
  },
  Query: {
    echo: (_, args) => {
      if (args.text === 'fail') fail('told to');
      const rows = (matrix) => joined(matrix.map((row) => (row === null ? null : joined(row))));
      const one = (one) => ('a' in one ? `{a=${one.a}}` : `{b=${one.b}}`);
      return (
        `n=${args.n};text=${args.text};${told(args, 'flag', String)}${told(args, 'kind', String)}` +
        `${told(args, 'list', joined)}${told(args, 'matrix', rows)}${told(args, 'filter', filter)}` +
        `${told(args, 'one', one)}${told(args, 'id', String)}`
      );
    },
    must: (_, { n, filter: f }) => (n === 5 ? fail('five') : `n=${n};filter=${filter(f)}`),
    item: (_, { n }) => item(clamp(n, 0, 9)),
    maybe: (_, { n }) => (n > 0 ? item(clamp(n, 0, 9)) : null),
    node: (_, args) => {
      const n = clamp(args.n, 0, 9);
      return n % 2 === 0 ? item(n) : owner(n);
    },
    nodes: () => [item(3), owner(4), item(6)],
    any: () => [owner(2), item(5)],
  },
  Count: {
    before: ({ n }) => n,
    bad: ({ n }) => (n === 1 ? fail('second') : n),
    item: ({ n }) => item(n),
  },
  Mutation: {
    count: (_, { by }, context) => of('Count', (context.ran += by) - by),
    fail: (_, { really }, context) => {
      const before = context.ran++;
      return really ? fail('really') : of('Count', before);
    },
    must: (_, { really }, context) => {
      const before = context.ran++;
      return really ? fail('must') : of('Count', before);
    },
  },
};

if (mode === 'execute') {
  for (const [type, fields] of Object.entries(resolvers)) {
    const known = schema.getType(type).getFields();
    for (const [name, resolve] of Object.entries(fields)) known[name].resolve = resolve;
  }
}

async function answer({ query, operation, variables }) {
  let document;
  try {
    document = parse(query);
  } catch (error) {
    return { refused: `parse: ${error.message}` };
  }
  let invalid;
  try {
    [invalid] = validate(schema, document);
  } catch (error) {
    // Their rule on the one field of a subscription looks at conditions before others have.
    invalid = error;
  }
  if (invalid) return { refused: `validate: ${invalid.message}` };
  const meant = getOperationAST(document, operation);
  if (!meant) return { refused: 'no operation' };
  // Their rules leave this to the execution.
  if (!schema.getRootType(meant.operation)) return { refused: 'no such root' };
  if (mode === 'validate') {
    const coerced = getVariableValues(schema, meant.variableDefinitions ?? [], variables);
    return coerced.errors ? { refused: `variables: ${coerced.errors[0].message}` } : {};
  }
  const result = await execute({
    schema,
    document,
    operationName: operation,
    variableValues: variables,
    contextValue: { ran: 0 },
  });
  const errors = result.errors ?? [];
  // They find out when they come to it, we do before anything runs.
  const condition = errors.find(({ message }) => message.startsWith('Argument "if" of non-null'));
  if (condition) return { refused: condition.message };
  if (!('data' in result)) return { refused: `execute: ${errors[0].message}` };
  return { data: result.data, errors: errors.map((error) => error.path) };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
