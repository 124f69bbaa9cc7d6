-- The append: everything that concurrent callers want to write, in one call and one commit.
--
-- An *item* is what one caller wants, all or nothing; rows of the other sets name their item by its number
-- (from 1). Each set is ordered by its key before it is written, so that two processes cannot deadlock, and
-- folded to one row a key, so that one key twice in a batch is an ordinary case.
--
-- Plans are made once and must stay right while tables grow from nothing: the appender's session has no
-- sequential scans and no hash or merge joins, so every look-up goes row by row through an index, and sets are
-- joined by subscript, not by search.

create type append_item as (application_id uuid, event_id uuid, scope text, key text, request_hash bytea, key_hours integer);
create type append_target as (item integer, kind text, id uuid);
create type append_identity as (
  item integer, platform_user_id uuid, user_id uuid, connection_id uuid, external_id text,
  name text, profile_picture_url text, is_system boolean, created_at timestamptz);
create type append_event as (
  item integer, application_id uuid, id uuid, event_type text, payload text, origin_event_id uuid,
  ordering_key bigint, fragment text, is_held boolean, raw bytea, raw_headers text, message integer);
create type append_edge as (item integer, event_id uuid, id uuid, edge_type text, target_type text, target_id uuid);
-- The message that an event is; the event names it by its number in p_messages.
create type append_message as (
  id uuid, connection_id uuid, platform_user_id uuid, shard smallint, ordering_key bigint,
  due_at timestamptz, expires_at timestamptz);
-- What is told of a platform's message: state null only names our event by its external id. `event` is the
-- number of the child event in p_events, null for none.
create type append_receipt as (
  item integer, event integer, connection_id uuid, external_id text, message_id uuid, state smallint,
  happened_at timestamptz, error text);
-- The end of one attempt. epoch null: a caller that is no dispatcher (cancel), allowed only before the row is due.
create type append_outcome as (
  item integer, shard smallint, epoch bigint, position bigint, delivery_id uuid, number smallint,
  result text, final_state text, reason text, next_state text, due_at timestamptz,
  started_at timestamptz, duration_ms integer, status_code integer, detail text, release_fragment text);

-- Which of the 64 shards dispatches a target (a connection or a subscription).
create function shard_of(target_id uuid) returns smallint immutable language sql as $$
  select (get_byte(uuid_send(target_id), 15) & 63)::smallint
$$;

create type appended_delivery as (
  application_id uuid, shard smallint, position bigint, id uuid, kind text, event_id uuid, target_id uuid,
  ordering_key bigint, origin_event_id uuid, due_at timestamptz, expires_at timestamptz, recipient_name text);


-- verdicts: 0 appended, 1 duplicate, 2 key_conflict, 3 target_missing, 4 stale (the work was ended by somebody else).
-- stored_ids: for a duplicate the first event, for a missing target its id.
-- p_is_replay: the connection was lost during COMMIT; what is there already answers as appended.
create function append_batch(
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
  out verdicts smallint[],
  out stored_ids uuid[],
  out previous_position bigint,
  out last_position bigint,
  out deliveries appended_delivery[]
) language plpgsql as $$
declare
  size integer := cardinality(p_items);
  ok boolean[] := array_fill(true, array[size]);
  fresh_events append_event[] := p_events;
  freed_events append_event[] := '{}';
  freed_receipts append_receipt[] := '{}';
  applied integer[];
  number integer;
  r record;
begin
  verdicts := array_fill(0::smallint, array[size]);
  stored_ids := array_fill(null::uuid, array[size]);
  deliveries := '{}';

  if p_is_replay then
    for r in
      select i.n from unnest(p_items) with ordinality i(application_id, event_id, scope, key, request_hash, key_hours, n)
      where case when exists (select from unnest(p_outcomes) o where o.item = i.n) then
          -- the event of an outcome is the message's own, which was there before
          exists (select from unnest(p_outcomes) o join attempts a on a.application_id = i.application_id
            and a.delivery_id = o.delivery_id and a.number = o.number and a.started_at = o.started_at
            where o.item = i.n)
          or exists (select from unnest(p_outcomes) o join deliveries d on d.application_id = i.application_id
            and d.id = o.delivery_id and d.state = o.final_state where o.item = i.n and o.started_at is null)
        else
          exists (select from events e where e.application_id = i.application_id and e.id = i.event_id)
          or exists (select from once_keys k where k.application_id = i.application_id and k.scope = i.scope
            and k.key = i.key and k.event_id = i.event_id)
        end
    loop
      ok[r.n] := false;
    end loop;
  end if;

  -- a target of another tenant is a missing one
  if cardinality(p_targets) > 0 then
    for r in
      select t.item, t.id
      from unnest(p_targets) t cross join lateral (select (p_items[t.item]).application_id) i
      where ok[t.item] and not case t.kind
        when 'connection' then exists (select from connections c
          where c.application_id = i.application_id and c.id = t.id and c.status = 'active')
        when 'platform_user' then exists (select from platform_users p
          where p.application_id = i.application_id and p.id = t.id)
        when 'user' then exists (select from users u where u.application_id = i.application_id and u.id = t.id)
        when 'event' then exists (select from events e where e.application_id = i.application_id and e.id = t.id)
        else false end
    loop
      ok[r.item] := false;
      verdicts[r.item] := 3;
      stored_ids[r.item] := r.id;
    end loop;
  end if;

  -- once keys: the first of a batch wins; a concurrent first is waited for by the insert
  if exists (select from unnest(p_items) i where i.key is not null) then
    insert into once_keys as k (application_id, scope, key, request_hash, event_id, expires_at)
    select distinct on (i.application_id, i.scope, i.key)
      i.application_id, i.scope, i.key, i.request_hash, i.event_id, now() + make_interval(hours => i.key_hours)
    from unnest(p_items) with ordinality i(application_id, event_id, scope, key, request_hash, key_hours, n)
    where i.key is not null and ok[i.n]
    order by i.application_id, i.scope, i.key, i.n
    on conflict (application_id, scope, key) do update
      set request_hash = excluded.request_hash, event_id = excluded.event_id, expires_at = excluded.expires_at
      where k.expires_at < now();
    for r in
      select i.n, k.event_id, k.request_hash is not distinct from i.request_hash as is_same
      from unnest(p_items) with ordinality i(application_id, event_id, scope, key, request_hash, key_hours, n)
      cross join lateral (
        select * from once_keys k
        where k.application_id = i.application_id and k.scope = i.scope and k.key = i.key limit 1
      ) k
      where i.key is not null and ok[i.n] and k.event_id <> i.event_id
    loop
      ok[r.n] := false;
      verdicts[r.n] := case when r.is_same then 1 else 2 end;
      stored_ids[r.n] := r.event_id;
    end loop;
  end if;

  if cardinality(p_outcomes) > 0 then
    perform from (select o.* from unnest(p_outcomes) o order by o.shard, o.position, o.delivery_id) o
      cross join lateral (
        select from delivery_queue q
        where q.shard = o.shard and q.position = o.position and q.id = o.delivery_id for update
      ) q;
    with allowed as materialized (
      select distinct on (o.shard, o.position, o.delivery_id)
        o.*, q.tid, q.application_id, q.kind, q.event_id, q.target_id
      from unnest(p_outcomes) o
      cross join lateral (
        select q.ctid as tid, q.* from delivery_queue q
        where q.shard = o.shard and q.position = o.position and q.id = o.delivery_id limit 1
      ) q
      cross join lateral (select s.epoch from shards s where s.shard = o.shard limit 1) s
      where ok[o.item] and case
        when o.epoch is null then q.state in ('ready', 'in_doubt') and q.due_at > clock_timestamp()
        else s.epoch = o.epoch end
      order by o.shard, o.position, o.delivery_id, o.item
    ), ended as (
      delete from delivery_queue q
      where q.ctid = any (array(select a.tid from allowed a where a.final_state is not null))
    ), history as (
      insert into deliveries (application_id, id, kind, event_id, target_id, state, reason, attempts, finished_at)
      select a.application_id, a.delivery_id, a.kind, a.event_id, a.target_id, a.final_state, a.reason, a.number,
        clock_timestamp()
      from allowed a where a.final_state is not null
    ), postponed as (
      update delivery_queue q set state = coalesce(a.next_state, q.state), attempts = a.number, due_at = a.due_at
      from allowed a
      where q.ctid = any (array(select a.tid from allowed a where a.final_state is null)) and a.tid = q.ctid
    ), tries as (
      insert into attempts (application_id, delivery_id, number, result, started_at, duration_ms, status_code,
        detail, retry_at)
      select a.application_id, a.delivery_id, a.number, a.result, a.started_at, a.duration_ms, a.status_code,
        a.detail, case when a.final_state is null then a.due_at end
      from allowed a where a.started_at is not null
    ), releasing as materialized (
      -- a message that ended without a body to freeze must not keep its webhooks for ever
      select a.application_id, a.event_id from allowed a
      where a.release_fragment is not null or (a.kind = 'message' and a.final_state is not null)
    ), held as materialized (
      select q.ctid as tid
      from releasing a cross join lateral (
        select q.ctid from delivery_queue q
        where q.application_id = a.application_id and q.event_id = a.event_id and q.state = 'held' offset 0
      ) q
    ), opened as (
      update delivery_queue q set state = 'ready', due_at = clock_timestamp()
      where q.ctid = any (array(select h.tid from held h))
      returning q.*
    ), spread as (
      update fan_outs f set is_held = false
      where f.is_held and (f.application_id, f.event_id) in (select a.application_id, a.event_id from releasing a)
      returning f.application_id, f.event_id
    ), frozen as (
      insert into frozen_bodies (application_id, event_id, fragment)
      select distinct on (a.application_id, a.event_id) a.application_id, a.event_id, a.release_fragment
      from allowed a
      where a.release_fragment is not null and (
        exists (select from opened p where p.application_id = a.application_id and p.event_id = a.event_id)
        or exists (select from spread f where f.application_id = a.application_id and f.event_id = a.event_id))
      on conflict do nothing
    )
    select
      (select array_agg(a.item) from allowed a),
      coalesce((select array_agg(row(o.application_id, o.shard, o.position, o.id, o.kind, o.event_id, o.target_id,
        o.ordering_key, null, o.due_at, o.expires_at, null)::appended_delivery order by o.position) from opened o), '{}')
    into applied, deliveries;
    for number in select o.item from unnest(p_outcomes) o where ok[o.item] except select unnest(applied) loop
      ok[number] := false;
      verdicts[number] := 4;
    end loop;
  end if;

  if cardinality(p_type_names) > 0 then
    insert into event_types (application_id, name)
    select distinct t.application_id, t.name from unnest(p_type_applications, p_type_names) t(application_id, name)
    where exists (select from unnest(p_events) e
      where e.application_id = t.application_id and e.event_type = t.name and ok[e.item])
    order by 1, 2 on conflict do nothing;
  end if;

  if cardinality(p_identities) > 0 then
    -- what is told last holds: a platform user's name follows, a user's is kept once there is one
    insert into users as u (application_id, id, name, is_system, created_at)
    select i.application_id, d.user_id, (array_agg(d.name order by d.item) filter (where d.name is not null))[1],
      bool_or(d.is_system), min(d.created_at)
    from unnest(p_identities) d cross join lateral (select (p_items[d.item]).application_id) i
    where ok[d.item] group by 1, 2 order by 1, 2
    on conflict (application_id, id) do update set name = excluded.name
      where u.name is null and excluded.name is not null;
    insert into platform_users as u (application_id, id, user_id, connection_id, external_id, name,
      profile_picture_url, created_at)
    select i.application_id, d.platform_user_id, (array_agg(d.user_id))[1], (array_agg(d.connection_id))[1],
      min(d.external_id), (array_agg(d.name order by d.item desc) filter (where d.name is not null))[1],
      (array_agg(d.profile_picture_url order by d.item desc) filter (where d.profile_picture_url is not null))[1],
      min(d.created_at)
    from unnest(p_identities) d cross join lateral (select (p_items[d.item]).application_id) i
    where ok[d.item] group by 1, 2 order by 1, 2
    on conflict (application_id, id) do update set name = coalesce(excluded.name, u.name),
      profile_picture_url = coalesce(excluded.profile_picture_url, u.profile_picture_url)
      where (coalesce(excluded.name, u.name), coalesce(excluded.profile_picture_url, u.profile_picture_url))
        is distinct from (u.name, u.profile_picture_url);
  end if;

  if cardinality(p_edges) > 0 then
    insert into edges (application_id, event_id, id, edge_type, target_type, target_id)
    select (p_items[g.item]).application_id, g.event_id, g.id, g.edge_type, g.target_type, g.target_id
    from unnest(p_edges) g where ok[g.item];
  end if;

  if cardinality(p_messages) > 0 then
    insert into messages (application_id, id, connection_id, platform_user_id)
    select e.application_id, e.id, (p_messages[e.message]).connection_id, (p_messages[e.message]).platform_user_id
    from unnest(p_events) e where e.message is not null and ok[e.item];
  end if;

  if cardinality(p_receipts) > 0 then
    -- both sides upsert this row, so one of them always sees the other
    insert into external_messages as x (application_id, connection_id, external_id, event_id)
    select i.application_id, t.connection_id, t.external_id,
      (array_agg(t.message_id order by t.item) filter (where t.message_id is not null))[1]
    from unnest(p_receipts) t cross join lateral (select (p_items[t.item]).application_id) i
    where ok[t.item] and t.external_id is not null
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (application_id, connection_id, external_id) do update set event_id = excluded.event_id
      where x.event_id is null;

    -- a receipt's event gets its origin, or waits for it
    for r in
      select t.event, t.connection_id, t.external_id, t.state, t.happened_at, t.error, x.event_id as message_id
      from unnest(p_receipts) t cross join lateral (
        select x.event_id from external_messages x
        where x.application_id = (p_items[t.item]).application_id and x.connection_id = t.connection_id
          and x.external_id = t.external_id limit 1
      ) x
      where ok[t.item] and t.message_id is null
    loop
      if r.message_id is not null then
        fresh_events[r.event].origin_event_id := r.message_id;
      else
        insert into parked_receipts (application_id, connection_id, external_id, event_id, event_type, payload,
          fragment, raw, raw_headers, state, happened_at, error)
        select e.application_id, r.connection_id, r.external_id, e.id, e.event_type, e.payload, e.fragment, e.raw,
          e.raw_headers, r.state, r.happened_at, r.error
        from (select (p_events[r.event]).*) e;
        fresh_events[r.event].item := -1;
      end if;
    end loop;

    -- our own record of a send frees the receipts that came before it
    if exists (select from unnest(p_receipts) t where t.state = 1 and t.message_id is not null) then
      with known as materialized (
        select distinct x.application_id, x.connection_id, x.external_id, x.event_id
        from unnest(p_receipts) t cross join lateral (
          select * from external_messages x
          where x.application_id = (p_items[t.item]).application_id and x.connection_id = t.connection_id
            and x.external_id = t.external_id limit 1
        ) x
        where ok[t.item] and t.message_id is not null and x.event_id is not null
      ), waiting as materialized (
        select p.tid, k.event_id as message_id
        from known k cross join lateral (
          select p.ctid as tid from parked_receipts p
          where p.application_id = k.application_id and p.connection_id = k.connection_id
            and p.external_id = k.external_id offset 0
        ) p
      ), freed as (
        delete from parked_receipts p using waiting w
        where p.ctid = any (array(select w.tid from waiting w)) and w.tid = p.ctid
        returning p.*, w.message_id
      )
      select
        coalesce(array_agg(row(0, f.application_id, f.event_id, f.event_type, f.payload, f.message_id, null,
          f.fragment, false, f.raw, f.raw_headers, null)::append_event order by f.event_id), '{}'),
        coalesce(array_agg(row(0, null, f.connection_id, f.external_id, f.message_id, f.state, f.happened_at,
          f.error)::append_receipt order by f.event_id), '{}')
      into freed_events, freed_receipts
      from freed f;
      -- a message's own `sent` stands before the receipts that waited for it
      fresh_events := fresh_events || freed_events;
    end if;

    if exists (select from unnest(p_receipts) t where t.state is not null) then
      -- one row at a time, in the order of the key: few, and locked in the same order by everybody
      for r in
        with told as (
          select (p_items[t.item]).application_id, coalesce(t.message_id, (fresh_events[t.event]).origin_event_id) as message_id,
            t.external_id, t.state, t.happened_at, t.error
          from unnest(p_receipts) t where ok[t.item] and t.state is not null
          union all
          select (freed_events[t.n]).application_id, t.message_id, t.external_id, t.state, t.happened_at, t.error
          from unnest(freed_receipts) with ordinality
            t(item, event, connection_id, external_id, message_id, state, happened_at, error, n)
        )
        select application_id, message_id, max(state) as state, min(external_id) as external_id,
          min(happened_at) filter (where state = 1) as sent_at,
          min(happened_at) filter (where state = 2) as failed_at,
          min(happened_at) filter (where state = 3) as delivered_at,
          min(happened_at) filter (where state = 4) as read_at,
          (array_agg(error order by happened_at) filter (where error is not null))[1] as error
        from told where message_id is not null
        group by application_id, message_id order by application_id, message_id
      loop
        update messages m set
          state = greatest(m.state, r.state),
          external_id = coalesce(m.external_id, r.external_id),
          sent_at = least(m.sent_at, r.sent_at),
          failed_at = least(m.failed_at, r.failed_at),
          delivered_at = least(m.delivered_at, r.delivered_at),
          read_at = least(m.read_at, r.read_at),
          error = coalesce(m.error, r.error::json)
        where m.application_id = r.application_id and m.id = r.message_id;
      end loop;
    end if;
  end if;

  if cardinality(fresh_events) > 0 then
    -- from here to the commit one process at a time: positions become visible in their order
    perform pg_advisory_xact_lock(7305002);
    select s.last_value - case when s.is_called then 0 else 1 end into previous_position from event_position s;

    with fresh as materialized (
      select e.*, nextval('event_position') as position
      from (
        select e.* from unnest(fresh_events) with ordinality e(item, application_id, id, event_type, payload,
          origin_event_id, ordering_key, fragment, is_held, raw, raw_headers, message, n)
        where e.item = 0 or ok[e.item] order by e.n
      ) e
    ), logged as (
      insert into events (application_id, id, position, event_type, origin_event_id, payload)
      select e.application_id, e.id, e.position, e.event_type, e.origin_event_id, e.payload::json from fresh e
    ), kept as (
      insert into raw_bodies (application_id, event_id, body, headers)
      select e.application_id, e.id, e.raw, e.raw_headers::json from fresh e where e.raw is not null
    ), sends as materialized (
      select e.application_id, m.shard, e.position, m.id, 'message' as kind, m.id as event_id,
        m.connection_id as target_id, m.ordering_key, null::uuid as origin_event_id, m.due_at, m.expires_at,
        -- the sender did not look it up, and its webhook shows it
        (select p.name from platform_users p
         where p.application_id = e.application_id and p.id = m.platform_user_id limit 1) as recipient_name
      from fresh e cross join lateral (select (p_messages[e.message]).*) m
      where e.message is not null
    ), wanted as materialized (
      select w.*, uuidv7() as id, count(*) over (partition by w.event_id) as matches from (
        select distinct e.application_id, e.id as event_id, e.event_type, e.position, e.ordering_key, e.is_held,
          e.origin_event_id, e.fragment, s.subscription_id
        from fresh e
        join unnest(p_pattern_types, p_pattern_names) t(event_type, pattern) on t.event_type = e.event_type
        cross join lateral (
          select s.subscription_id from subscription_patterns s
          where s.application_id = e.application_id and s.pattern = t.pattern offset 0
        ) s
      ) w
    ), queued as (
      insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, ordering_key, state,
        due_at, expires_at)
      select s.application_id, s.shard, s.position, s.id, s.kind, s.event_id, s.target_id, s.ordering_key, 'ready',
        s.due_at, s.expires_at
      from sends s
      union all
      select w.application_id, shard_of(w.subscription_id), w.position, w.id, 'webhook', w.event_id,
        w.subscription_id, w.ordering_key, case when w.is_held then 'held' else 'ready' end,
        case when w.is_held then 'infinity'::timestamptz end, null
      from wanted w where w.matches <= 16
    ), spread as (
      insert into fan_outs (application_id, position, event_id, event_type, ordering_key, is_held,
        after_subscription_id)
      select distinct w.application_id, w.position, w.event_id, w.event_type, w.ordering_key, w.is_held,
        '00000000-0000-0000-0000-000000000000'::uuid
      from wanted w where w.matches > 16
    ), frozen as (
      insert into frozen_bodies (application_id, event_id, fragment)
      select distinct w.application_id, w.event_id, w.fragment from wanted w
      where not w.is_held and w.fragment is not null
    )
    select deliveries || coalesce(array_agg(row(d.application_id, d.shard, d.position, d.id, d.kind, d.event_id,
      d.target_id, d.ordering_key, d.origin_event_id, d.due_at, d.expires_at, d.recipient_name)::appended_delivery
      order by d.position, d.id), '{}')
    into deliveries
    from (
      select * from sends
      union all
      select w.application_id, shard_of(w.subscription_id), w.position, w.id, 'webhook', w.event_id, w.subscription_id,
        w.ordering_key, w.origin_event_id, null, null, null
      from wanted w where w.matches <= 16 and not w.is_held
    ) d;

    select s.last_value into last_position from event_position s;
    if p_notify is not null then
      perform pg_notify('outrider_appended', p_notify || ' ' || last_position);
    end if;
  end if;
end $$;
