// Drives every endpoint of the read API with openapi-fetch, typed by what openapi-typescript makes of the served
// document. Writes what each answered as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./reads.js";

type Given = [string, string, string, string, string, string, string];
const [, , base, key, contact, list, draft] = process.argv as Given;
const client = createClient<paths>({ baseUrl: `${base}/api/v1`, headers: { Authorization: `Bearer ${key}` } });

type Contact = components["schemas"]["Contact"];
type Answer = { data?: unknown; error?: unknown; response: Response };

function done<T extends Answer>(answer: T): Exclude<T["data"], undefined> {
  if (answer.data === undefined) throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  return answer.data as Exclude<T["data"], undefined>;
}

const contacts: Contact[] = [];
let cursor: string | undefined;
do {
  const page = done(await client.GET("/contacts", { params: { query: { limit: 1, ...(cursor ? { cursor } : {}) } } }));
  contacts.push(...page.data);
  cursor = page.nextCursor ?? undefined;
} while (cursor);

const id = (value: string) => ({ params: { path: { id: value } } });
const me = done(await client.GET("/me"));
const one = done(await client.GET("/contacts/{id}", id(contact)));
const research = done(await client.GET("/contacts/{id}/research", id(contact)));
const lists = done(await client.GET("/lists", { params: { query: { includeArchived: "1" } } }));
const oneList = done(await client.GET("/lists/{id}", id(list)));
const drafts = done(await client.GET("/drafts", { params: { query: { status: "sent", contactId: contact } } }));
const oneDraft = done(await client.GET("/drafts/{id}", id(draft)));
const events = done(await client.GET("/events", { params: { query: { eventType: "message.outbound,message.sent" } } }));
const { error, response } = await client.GET("/contacts/{id}", id("00000000-0000-7000-8000-000000000000"));

console.log(
  JSON.stringify({
    organization: me.organization.id,
    contacts: contacts.map((found) => found.id),
    company: one.company?.domain,
    level: research.level,
    lists: lists.data.map((found) => found.id),
    goal: oneList.goal,
    drafts: drafts.data.map((found) => found.id),
    text: oneDraft.body.text,
    engagement: oneDraft.engagement[0]?.type,
    events: events.data.map((found) => found.eventType).sort(),
    missing: [response.status, error?.title],
  }),
);
