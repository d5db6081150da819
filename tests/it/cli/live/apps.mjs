// The clients that apps are made with (Apollo Client, urql) beside a shop that goes on changing, each over
// graphql-ws as its own documentation has it. Arguments and output are those of peers.mjs.
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, fetchExchange, gql as ofUrql, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

// Apollo names the browser's own where something fails.
globalThis.WebSocket ??= WebSocket;

const [url, token, id, after, count] = process.argv.slice(2);
const text = `subscription Happened($id: ID!, $after: Long) {
  happened(id: $id, after: $after) { version name } }`;
const variables = { id, after: Number(after) };
const socket = () =>
  createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });

// What is told, until so much was: `begin` is given one who hears a result, and gives how to end it.
function take(begin) {
  return new Promise((resolve, reject) => {
    const versions = [];
    let end;
    const hear = ({ data, error }) => {
      if (error) return reject(error);
      if (!data || versions.length === Number(count)) return;
      versions.push(data.happened.version);
      if (versions.length === Number(count)) {
        setImmediate(() => end());
        resolve(versions);
      }
    };
    end = begin(hear, reject);
  });
}

const ofApollo = socket();
const apollo = new ApolloClient({ link: new GraphQLWsLink(ofApollo), cache: new InMemoryCache() });
const byApollo = take((hear, fail) => {
  const told = apollo.subscribe({ query: gql(text), variables, fetchPolicy: 'no-cache' });
  const subscription = told.subscribe({ next: hear, error: fail });
  return () => subscription.unsubscribe();
});

const ofTheOther = socket();
const urql = new Client({
  url,
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query, variables }) => ({
        subscribe: (sink) => ({ unsubscribe: ofTheOther.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
const byUrql = take((hear) => {
  const { unsubscribe } = urql.subscription(ofUrql(text), variables).subscribe(hear);
  return unsubscribe;
});

const [toldApollo, toldUrql] = await Promise.all([byApollo, byUrql]);
await Promise.all([ofApollo.dispose(), ofTheOther.dispose()]);
console.log(JSON.stringify({ byApollo: toldApollo, byUrql: toldUrql }));
process.exit(0);
