-- Shards and their leases. All times are the database's.

-- Heartbeat, hand back, and take what nobody alive owns, up to a fair share; one call a second and process.
-- Returns every shard this process owns now; is_new: taken by this call; is_unclean: its last owner vanished
-- without handing it back, so an attempt of it may still be under way.
create function keep_shards(
  p_process uuid, p_lease interval, p_is_worker boolean, p_give smallint[]
) returns table (shard smallint, epoch bigint, is_new boolean, is_unclean boolean, live_processes integer, live_workers integer)
language plpgsql as $$
declare
  workers integer;
  alive uuid[];
  owned integer;
begin
  perform pg_advisory_xact_lock(7305003);
  update processes set heartbeat_at = clock_timestamp() where id = p_process;
  if not found then
    raise exception 'process % was declared dead', p_process using errcode = 'OR001';
  end if;
  delete from processes p where p.heartbeat_at < clock_timestamp() - p_lease;
  select array_agg(p.id), count(*) filter (where p.role <> 'api') into alive, workers from processes p;
  update shards s set owner_id = null where s.owner_id = p_process and s.shard = any (p_give);
  if not p_is_worker then
    return query select null::smallint, null::bigint, false, false, cardinality(alive), workers;
    return;
  end if;
  select count(*) into owned from shards s where s.owner_id = p_process;
  return query
    with free as (
      select s.shard, s.owner_id from shards s
      where s.owner_id is null or not s.owner_id = any (alive)
      order by s.owner_id is null desc, s.shard
      limit greatest(0, ceil(64.0 / workers)::integer - owned)
    ), taken as (
      update shards s set owner_id = p_process, epoch = s.epoch + 1 from free f where s.shard = f.shard
      returning s.shard, s.epoch, f.owner_id is not null as is_unclean
    )
    select t.shard, t.epoch, true, t.is_unclean, cardinality(alive), workers from taken t
    union all
    select s.shard, s.epoch, false, false, cardinality(alive), workers from shards s
    where s.owner_id = p_process and not s.shard = any (select t.shard from taken t)
    union all
    select null::smallint, null::bigint, false, false, cardinality(alive), workers;
end $$;

-- Expand one chunk of a fan-out; returns whether it is finished. Subscriptions as of the event's position.
create function expand_fan_out(p_application uuid, p_position bigint, p_event uuid, p_patterns text[], p_limit integer)
returns boolean language plpgsql as $$
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
    join subscriptions s on s.application_id = p.application_id and s.id = p.subscription_id
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
