-- Files: what is attached to messages. Their content lies on disk under its SHA-256, here stands what it is called.
-- Pending: a platform has it and it is yet to be fetched; `reference` is how the platform's adapter finds it.
create table files (
  application_id uuid not null,
  id uuid not null,
  filename text not null,
  mime_type text not null,
  size bigint,
  sha256 bytea,
  state text not null check (state in ('ready', 'pending', 'failed')),
  source text not null check (source in ('upload', 'url', 'platform')),
  reference json,
  primary key (application_id, id),
  check ((state = 'ready') = (sha256 is not null) and (sha256 is null) = (size is null))
);
-- maintenance asks whether anybody names a content
create index files_content on files (sha256) where sha256 is not null;

-- What a message was sent as, where it took several calls: each is recorded as it ends, so that a later attempt goes on
-- behind it.
create table message_parts (
  application_id uuid not null,
  message_id uuid not null,
  number smallint not null,
  external_id text not null,
  primary key (application_id, message_id, number)
);
-- The same as the message shows them: a read of a page of messages looks nowhere else.
alter table messages add column external_ids json;

alter table delivery_queue drop constraint delivery_queue_kind_check,
  add constraint delivery_queue_kind_check check (kind in ('message', 'webhook', 'media'));

-- A new file, with a connection and an event: to be fetched through the one, told of by the other.
create type append_file as (
  item integer, id uuid, filename text, mime_type text, size bigint, sha256 bytea, source text, reference text,
  connection_id uuid, event_id uuid);
-- What became of a pending file; without a content it has failed.
create type append_file_end as (item integer, id uuid, filename text, mime_type text, size bigint, sha256 bytea);
create type append_part as (item integer, message_id uuid, number smallint, external_id text);

-- The append for batches in which there are files: `append_batch`, and in the same commit the files of the items that
-- it wrote, with the work of fetching them. Names of parameters and answers as there.
create function append_batch_with_files(
  p_is_replay boolean,
  p_notify text,
  p_items append_item[],
  p_targets append_target[],
  p_identities append_identity[],
  p_type_applications uuid[],
  p_type_names text[],
  p_pattern_types text[],
  p_pattern_names text[],
  p_events append_event[],
  p_edges append_edge[],
  p_messages append_message[],
  p_receipts append_receipt[],
  p_outcomes append_outcome[],
  p_files append_file[],
  p_file_ends append_file_end[],
  p_parts append_part[],
  out verdicts smallint[],
  out stored_ids uuid[],
  out previous_position bigint,
  out last_position bigint,
  out deliveries appended_delivery[]
) language plpgsql as $$
declare
  unmet append_target[];
  fetching appended_delivery[];
  told record;
begin
  -- the append itself knows no files: those that are there are no targets any more, the others are missing
  select coalesce(array_agg(t order by t.n), '{}') into unmet
  from (
    select (t.item, t.kind, t.id)::append_target as t, t.n from unnest(p_targets) with ordinality t(item, kind, id, n)
    where t.kind <> 'file' or not exists (
      select from files f where f.application_id = (p_items[t.item]).application_id and f.id = t.id)
  ) t;

  select b.verdicts, b.stored_ids, b.previous_position, b.last_position, b.deliveries
  into verdicts, stored_ids, previous_position, last_position, deliveries
  from append_batch(p_is_replay, p_notify, p_items, unmet, p_identities, p_type_applications, p_type_names,
    p_pattern_types, p_pattern_names, p_events, p_edges, p_messages, p_receipts, p_outcomes) b;

  -- what a replay finds is there with its work
  with added as (
    insert into files (application_id, id, filename, mime_type, size, sha256, state, source, reference)
    select (p_items[f.item]).application_id, f.id, f.filename, f.mime_type, f.size, f.sha256,
      case when f.sha256 is null then 'pending' else 'ready' end, f.source, f.reference::json
    from unnest(p_files) f where verdicts[f.item] = 0
    order by 1, 2
    on conflict do nothing
    returning application_id, id
  ), queued as (
    insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id)
    select a.application_id, shard_of(f.connection_id), e.position, f.id, 'media', e.id, f.connection_id
    from unnest(p_files) f
    join added a on a.id = f.id and a.application_id = (p_items[f.item]).application_id
    cross join lateral (
      select e.id, e.position from events e where e.application_id = a.application_id and e.id = f.event_id limit 1
    ) e
    where f.sha256 is null
    returning *
  )
  select coalesce(array_agg(row(q.application_id, q.shard, q.position, q.id, q.kind, q.event_id, q.target_id, null,
    null, null, null, null)::appended_delivery order by q.position, q.id), '{}')
  into fetching from queued q;
  deliveries := deliveries || fetching;

  update files f set filename = d.filename, mime_type = d.mime_type, size = d.size, sha256 = d.sha256,
    state = case when d.sha256 is null then 'failed' else 'ready' end, reference = null
  from unnest(p_file_ends) d
  where f.application_id = (p_items[d.item]).application_id and f.id = d.id and f.state = 'pending'
    and verdicts[d.item] = 0;

  insert into message_parts (application_id, message_id, number, external_id)
  select (p_items[t.item]).application_id, t.message_id, t.number, t.external_id
  from unnest(p_parts) t where verdicts[t.item] = 0
  order by 1, 2, 3
  on conflict do nothing;

  for told in
    select distinct (p_items[t.item]).application_id, t.message_id
    from unnest(p_parts) t where verdicts[t.item] = 0 order by 1, 2
  loop
    update messages m set external_ids = (
      select json_agg(p.external_id order by p.number) from message_parts p
      where p.application_id = told.application_id and p.message_id = told.message_id)
    where m.application_id = told.application_id and m.id = told.message_id;
  end loop;
end $$;
