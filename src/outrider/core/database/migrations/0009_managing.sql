-- Subscriptions and connections managed: deliveries that are tried again, test events, the health of connections.

alter table connections
  add column health_status text check (health_status in ('healthy', 'unhealthy')),
  add column health_message text,
  add column health_checked_at timestamptz;

-- The former ends of deliveries that were put back into the queue. A delivery has one end in `deliveries`; what it
-- came to before stays here, and its attempts go on counting.
create table reopened_deliveries (
  application_id uuid not null,
  id uuid not null,
  attempts smallint not null,
  state text not null,
  reason text,
  finished_at timestamptz not null,
  reopened_at timestamptz not null default clock_timestamp(),
  primary key (application_id, id, attempts)
);

-- Put a webhook delivery that has ended without success back into the queue, under its own id, due at once.
-- Returns 'reopened', or why not: 'missing', 'gone' (its body is kept no longer), or how it stands now.
create function reopen_delivery(p_organisation_id uuid, p_application_id uuid, p_id uuid)
returns text security definer language plpgsql as $$
declare
  stands text;
begin
  if p_organisation_id is distinct from current_organisation() or not exists (
    select from applications a where a.organisation_id = p_organisation_id and a.id = p_application_id
  ) then
    raise exception 'a delivery of another organisation' using errcode = 'insufficient_privilege';
  end if;
  -- one at a time, so that what is read below is still so when it is written
  perform pg_advisory_xact_lock(7305004, hashtext(p_id::text));
  select coalesce(
    (select d.state from deliveries d where d.application_id = p_application_id and d.id = p_id and d.kind = 'webhook'),
    (select 'pending' from delivery_queue q
      where q.application_id = p_application_id and q.id = p_id and q.kind = 'webhook' limit 1),
    'missing') into stands;
  if stands not in ('failed', 'dropped') then
    return stands;
  end if;
  if not exists (select from deliveries d
    join frozen_bodies f on f.application_id = p_application_id and f.event_id = d.event_id
    join events e on e.application_id = p_application_id and e.id = d.event_id
    where d.application_id = p_application_id and d.id = p_id)
  then
    return 'gone';
  end if;
  with ended as (
    delete from deliveries d where d.application_id = p_application_id and d.id = p_id
    returning d.event_id, d.target_id, d.attempts, d.state, d.reason, d.finished_at
  ), kept as (
    insert into reopened_deliveries (application_id, id, attempts, state, reason, finished_at)
    select p_application_id, p_id, ended.attempts, ended.state, ended.reason, ended.finished_at from ended
  )
  insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, attempts, due_at)
  select p_application_id, shard_of(ended.target_id), e.position, p_id, 'webhook', ended.event_id, ended.target_id,
    ended.attempts, clock_timestamp()
  from ended join events e on e.application_id = p_application_id and e.id = ended.event_id;
  return 'reopened';
end $$;

-- An event for one subscription alone, with its delivery. Call it last: from here to the commit every append waits.
create function append_webhook_test(
  p_organisation_id uuid, p_subscription_id uuid, p_event_id uuid, p_delivery_id uuid, p_event_type text,
  p_payload text, p_fragment text
) returns void security definer language plpgsql as $$
declare
  owning_id uuid;
  next_position bigint;
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'a subscription of another organisation' using errcode = 'insufficient_privilege';
  end if;
  select s.application_id into strict owning_id from subscriptions s
    where s.organisation_id = p_organisation_id and s.id = p_subscription_id;
  insert into event_types (application_id, name) values (owning_id, p_event_type) on conflict do nothing;
  perform pg_advisory_xact_lock(7305002);
  next_position := nextval('event_position');
  insert into events (application_id, id, position, event_type, payload)
    values (owning_id, p_event_id, next_position, p_event_type, p_payload::json);
  insert into frozen_bodies (application_id, event_id, fragment) values (owning_id, p_event_id, p_fragment);
  insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, due_at)
    values (owning_id, shard_of(p_subscription_id), next_position, p_delivery_id, 'webhook', p_event_id,
      p_subscription_id, clock_timestamp());
end $$;

-- Events of an application that are yet to be spread over its many subscriptions, held until the transaction ends.
create function lock_fan_outs(p_organisation_id uuid, p_application_id uuid)
returns table (event_id uuid, event_type text) security definer language plpgsql as $$
begin
  if p_organisation_id is distinct from current_organisation() or not exists (
    select from applications a where a.organisation_id = p_organisation_id and a.id = p_application_id
  ) then
    raise exception 'events of another organisation' using errcode = 'insufficient_privilege';
  end if;
  return query select f.event_id, f.event_type from fan_outs f where f.application_id = p_application_id
    order by f.position, f.event_id for update;
end $$;

-- Of such events the deliveries to one subscription, unless they have come to it already. Its from_position must
-- grow in the same transaction, so that they do not come again.
create function queue_fanned_out(p_organisation_id uuid, p_subscription_id uuid, p_events uuid[]) returns void
security definer language plpgsql as $$
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'a subscription of another organisation' using errcode = 'insufficient_privilege';
  end if;
  insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, ordering_key, state, due_at)
  select f.application_id, shard_of(s.id), f.position, uuidv7(), 'webhook', f.event_id, s.id, f.ordering_key,
    case when f.is_held then 'held' else 'ready' end,
    case when f.is_held then 'infinity' else clock_timestamp() end
  from subscriptions s join fan_outs f on f.application_id = s.application_id
  where s.organisation_id = p_organisation_id and s.id = p_subscription_id and f.event_id = any (p_events)
    and f.after_subscription_id < s.id and f.position > s.from_position;
end $$;

do $$
declare
  guarded text;
begin
  foreach guarded in array array['reopen_delivery(uuid, uuid, uuid)',
    'append_webhook_test(uuid, uuid, uuid, uuid, text, text, text)', 'lock_fan_outs(uuid, uuid)',
    'queue_fanned_out(uuid, uuid, uuid[])']
  loop
    execute format('alter function %s set search_path = %I, pg_temp', guarded, current_schema());
    execute format('revoke all on function %s from public', guarded);
    execute format('grant execute on function %s to outrider_tenant', guarded);
  end loop;
end $$;
