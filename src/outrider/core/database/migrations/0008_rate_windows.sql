-- Rate limits: what each API key has used of the running clock minute, and of the last second.
--
-- Unlogged: a count costs no flush. After a crash of PostgreSQL the table is empty and the minute begins anew.
-- `moments` are the hundredths of a second (since 1970, rounded up) at which requests were taken, `taken` how many.

create unlogged table rate_windows (
  key_id uuid primary key,
  minute bigint not null,
  used integer not null,
  moments bigint[] not null,
  taken integer[] not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- Take up to `wanted` requests of each key at a moment; a moment before one that was counted counts as that one,
-- so that processes whose clocks differ a little share one time. Returns how many may go on, what the minute has
-- used now, and which minute that is. Keys in one order, so that two processes cannot deadlock.
create function take_requests(
  p_moment timestamptz, p_keys uuid[], p_limits integer[], p_bursts integer[], p_wanted integer[]
) returns table (key_id uuid, granted integer, used integer, minute bigint, is_burst boolean)
language plpgsql as $$
declare
  asked record;
  known rate_windows;
  elapsed numeric := extract(epoch from p_moment) * 100;
  moment bigint;
  this_minute bigint;
  in_second integer;
begin
  for asked in
    select a.key_id, a.most, a.burst, a.wanted
    from unnest(p_keys, p_limits, p_bursts, p_wanted) a(key_id, most, burst, wanted) order by a.key_id
  loop
    insert into rate_windows as w (key_id, minute, used, moments, taken)
      values (asked.key_id, floor(elapsed / 6000), 0, '{}', '{}') on conflict do nothing;
    select * into known from rate_windows w where w.key_id = asked.key_id for update;
    moment := greatest(ceil(elapsed)::bigint, known.moments[cardinality(known.moments)]);
    this_minute := greatest(floor(elapsed / 6000)::bigint, known.minute);
    if known.minute < this_minute then
      known.used := 0;
    end if;
    -- what was taken at most a second ago; a hundredth more rather than less
    select coalesce(array_agg(t.moment order by t.moment), '{}'), coalesce(array_agg(t.number order by t.moment), '{}'),
      coalesce(sum(t.number), 0)
    into known.moments, known.taken, in_second
    from unnest(known.moments, known.taken) t(moment, number) where t.moment > elapsed - 100;
    granted := greatest(0, least(asked.wanted, asked.most - known.used, asked.burst - in_second));
    if granted > 0 then
      known.used := known.used + granted;
      if known.moments[cardinality(known.moments)] = moment then
        known.taken[cardinality(known.taken)] := known.taken[cardinality(known.taken)] + granted;
      else
        known.moments := known.moments || moment;
        known.taken := known.taken || granted;
      end if;
    end if;
    update rate_windows w set minute = this_minute, used = known.used, moments = known.moments, taken = known.taken
      where w.key_id = asked.key_id;
    key_id := asked.key_id;
    used := known.used;
    minute := this_minute;
    is_burst := known.used < asked.most;
    return next;
  end loop;
end $$;
