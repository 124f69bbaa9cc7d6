-- Endpoints that are told in the words of the read API, of one application or of a whole organisation; and what the
-- researcher of dossiers has yet to do.

alter table subscriptions drop constraint subscriptions_family_check;
alter table subscriptions add constraint subscriptions_family_check
  check (family in ('outeract', 'outkit', 'outbound'));

-- A subscription that stands in the hidden application is the whole organisation's. What it wants has a row for each
-- of the organisation's applications, so that an append matches it like any other.
alter table subscription_patterns
  drop constraint if exists subscription_patterns_application_id_subscription_id_fkey,
  drop constraint if exists subscription_patterns_subscription_fkey,
  add constraint subscription_patterns_subscription_fkey
    foreign key (organisation_id, subscription_id) references subscriptions on delete cascade;
create index if not exists subscription_patterns_subscription on subscription_patterns (organisation_id, subscription_id);

-- Of whose events a subscription that stands in an application may be told.
create function covered_applications(p_organisation_id uuid, p_application_id uuid) returns setof uuid
stable language sql as $$
  select a.id from applications a
  where a.organisation_id = p_organisation_id and (a.id = p_application_id or exists (
    select from applications h
    where h.organisation_id = p_organisation_id and h.id = p_application_id and h.kind = 'organisation'))
$$;

create function subscribe_new_application() returns trigger language plpgsql as $$
begin
  -- a subscription that comes about meanwhile waits, and then sees this application
  perform pg_advisory_xact_lock(7305002);
  insert into subscription_patterns (organisation_id, application_id, pattern, subscription_id)
  select new.organisation_id, new.id, p.pattern, p.subscription_id
  from applications h join subscription_patterns p on p.application_id = h.id
  where h.organisation_id = new.organisation_id and h.kind = 'organisation';
  return null;
end $$;
create trigger subscribe_new_application after insert on applications for each row
  when (new.kind <> 'organisation') execute function subscribe_new_application();

-- The patterns that want an event type of ours; `candidate_patterns` says the same of every type.
create function own_patterns(p_event_type text) returns text[] immutable language sql as $$
  select array['*', p_event_type] || array(
    select array_to_string((p.parts)[:n], '.') || '.*'
    from (select string_to_array(p_event_type, '.') as parts) p
    cross join generate_series(1, cardinality(p.parts) - 1) n)
$$;

-- The audit event of a settings transaction, in its organisation's hidden application, and its webhooks to endpoints
-- of the whole organisation. Call it last: from here to the commit every append waits.
create or replace function append_audit(
  p_organisation_id uuid, p_event_type text, p_payload text, p_event_id uuid
) returns bigint security definer language plpgsql as $$
declare
  hidden_id uuid;
  next_position bigint;
  wanted uuid[];
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'an audit event of another organisation' using errcode = 'insufficient_privilege';
  end if;
  select a.id into strict hidden_id from applications a
    where a.organisation_id = p_organisation_id and a.kind = 'organisation';
  insert into event_types (application_id, name) values (hidden_id, p_event_type) on conflict do nothing;
  perform pg_advisory_xact_lock(7305002);
  next_position := nextval('event_position');
  insert into events (application_id, id, position, event_type, payload)
    values (hidden_id, p_event_id, next_position, p_event_type, p_payload::json);
  if not exists (select from subscription_patterns s where s.application_id = hidden_id) then
    return next_position;
  end if;
  wanted := array(select distinct s.subscription_id from subscription_patterns s
    where s.application_id = hidden_id and s.pattern = any (own_patterns(p_event_type)));
  if cardinality(wanted) = 0 then
    return next_position;
  end if;
  insert into frozen_bodies (application_id, event_id, fragment) values (hidden_id, p_event_id, format(
    '"event_id":"%s","event_type":"%s","app_id":"%s","payload":%s,"edges":{},"edge_list":[],"created_at":"%s"',
    p_event_id, p_event_type, hidden_id, p_payload, shown_time(uuid_extract_timestamp(p_event_id))));
  if cardinality(wanted) <= 16 then
    insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id)
    select hidden_id, shard_of(w.id), next_position, uuidv7(), 'webhook', p_event_id, w.id from unnest(wanted) w(id);
  else
    insert into fan_outs (application_id, position, event_id, event_type, is_held, after_subscription_id)
    values (hidden_id, next_position, p_event_id, p_event_type, false, '00000000-0000-0000-0000-000000000000');
  end if;
  -- nobody was handed them: every process reads its shards
  perform pg_notify('outrider_appended', 'settings ' || next_position);
  return next_position;
end $$;

-- As in 0005, with subscriptions of a whole organisation among them.
create or replace function expand_fan_out(
  p_application uuid, p_position bigint, p_event uuid, p_patterns text[], p_limit integer
) returns boolean language plpgsql as $$
declare
  f fan_outs;
  last_id uuid;
  added integer;
begin
  select * into f from fan_outs x
    where x.position = p_position and x.event_id = p_event and x.application_id = p_application for update;
  if not found then
    return true;
  end if;
  with chosen as (
    select distinct p.subscription_id from subscription_patterns p
    join subscriptions s on s.organisation_id = p.organisation_id and s.id = p.subscription_id
    where p.application_id = p_application and p.pattern = any (p_patterns)
      and p.subscription_id > f.after_subscription_id and s.from_position < p_position
    order by p.subscription_id limit p_limit
  ), added_rows as (
    insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, ordering_key, state, due_at)
    select p_application, shard_of(c.subscription_id), p_position, uuidv7(), 'webhook', p_event, c.subscription_id,
      f.ordering_key, 'ready', clock_timestamp()
    from chosen c returning target_id
  )
  select count(*), (select max(c.subscription_id::text)::uuid from chosen c) into added, last_id from added_rows;
  if added < p_limit then
    delete from fan_outs x where x.position = p_position and x.event_id = p_event and x.application_id = p_application;
    return true;
  end if;
  update fan_outs x set after_subscription_id = last_id
    where x.position = p_position and x.event_id = p_event and x.application_id = p_application;
  return false;
end $$;

-- As in 0009; of the hidden application, the events of every application of its organisation.
create or replace function lock_fan_outs(p_organisation_id uuid, p_application_id uuid)
returns table (event_id uuid, event_type text) security definer language plpgsql as $$
begin
  if p_organisation_id is distinct from current_organisation() or not exists (
    select from applications a where a.organisation_id = p_organisation_id and a.id = p_application_id
  ) then
    raise exception 'events of another organisation' using errcode = 'insufficient_privilege';
  end if;
  return query select f.event_id, f.event_type from fan_outs f
    where f.application_id in (select covered_applications(p_organisation_id, p_application_id))
    order by f.position, f.event_id for update;
end $$;

create or replace function queue_fanned_out(p_organisation_id uuid, p_subscription_id uuid, p_events uuid[])
returns void security definer language plpgsql as $$
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'a subscription of another organisation' using errcode = 'insufficient_privilege';
  end if;
  insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, ordering_key, state, due_at)
  select f.application_id, shard_of(s.id), f.position, uuidv7(), 'webhook', f.event_id, s.id, f.ordering_key,
    case when f.is_held then 'held' else 'ready' end,
    case when f.is_held then 'infinity' else clock_timestamp() end
  from subscriptions s
  join fan_outs f on f.application_id in (select covered_applications(s.organisation_id, s.application_id))
  where s.organisation_id = p_organisation_id and s.id = p_subscription_id and f.event_id = any (p_events)
    and f.after_subscription_id < s.id and f.position > s.from_position;
end $$;

do $$
declare
  guarded text;
begin
  foreach guarded in array array['append_audit(uuid, text, text, uuid)', 'lock_fan_outs(uuid, uuid)',
    'queue_fanned_out(uuid, uuid, uuid[])']
  loop
    execute format('alter function %s set search_path = %I, pg_temp', guarded, current_schema());
  end loop;
end $$;

-- Whom webhooks said that an event is about: the same on every attempt, whatever becomes of contacts meanwhile.
create table told_contacts (
  application_id uuid not null,
  event_id uuid not null,
  contact_id uuid,
  primary key (application_id, event_id)
) partition by range (event_id);

-- Dossiers of the researcher are researched again when they have grown old; those that somebody wrote are not.
alter table dossiers add column is_researched boolean not null default false;
create index dossiers_stale on dossiers (expires_at) where is_researched;

create table research_requests (
  organisation_id uuid not null,
  contact_id uuid not null,
  level smallint not null check (level between 1 and 4),
  -- the member who asked; null where a dossier has grown old
  member_id uuid,
  -- whoever is at it, and when somebody else may begin
  claim uuid,
  due_at timestamptz not null default clock_timestamp(),
  failures smallint not null default 0,
  primary key (organisation_id, contact_id),
  foreign key (organisation_id, contact_id) references contacts on delete cascade
);
create index research_requests_due on research_requests (due_at);
alter table research_requests enable row level security;
alter table research_requests force row level security;
create policy tenant on research_requests to outrider_tenant
  using (organisation_id = (select current_organisation()))
  with check (organisation_id = (select current_organisation()));
create policy owner on research_requests to current_user using (true) with check (true);
grant select, insert, update, delete on research_requests to outrider_tenant;

select ensure_partitions(3);
