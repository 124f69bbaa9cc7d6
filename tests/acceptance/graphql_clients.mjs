// Speaks to a server as its users do: documents through graphql-request, a subscription through graphql-sse.
import { GraphQLClient } from "graphql-request";
import { buildClientSchema, getIntrospectionQuery, printSchema } from "graphql";
import { createClient } from "graphql-sse";

const { url, key, documents, follow, create, count } = JSON.parse(process.env.ASKED);
const headers = { authorization: `Bearer ${key}` };
const client = new GraphQLClient(url, { headers });
const answers = {};

answers.schema = printSchema(buildClientSchema(await client.request(getIntrospectionQuery({ schemaDescription: true }))));
answers.documents = [];
for (const document of documents) answers.documents.push(await client.request(document));
try {
  await client.request("{ event(id: \"x\") { id } }");
} catch (refused) {
  answers.refused = refused.response.errors[0].extensions.code;
}

const feed = createClient({ url, headers });
const following = feed.iterate({ query: follow });
answers.followed = [];
const reading = (async () => {
  for await (const told of following) {
    answers.followed.push(told.data.events.node.id);
    if (answers.followed.length === count) break;
  }
})();
await new Promise(resolve => setTimeout(resolve, 500)); // this client does not tell when its request is answered
answers.created = [];
for (let number = 0; number < count; number++) answers.created.push((await client.request(create)).createEvent.id);
await reading;
feed.dispose();
console.log(JSON.stringify(answers));
