-- Limits of the read API: what each of its keys may still ask. A bucket of 120 requests that fills by one a second,
-- and besides at most 120 in any 30 seconds.
--
-- Unlogged, as rate_windows: a count costs no flush, and after a crash of PostgreSQL every bucket is full again.
-- `moments` are the hundredths of a second (since 1970) at which requests were taken, `taken` how many; `level` is
-- what was in the bucket at `filled_at`, a hundredth of a second.

create unlogged table read_windows (
  key_id uuid primary key,
  level numeric not null,
  filled_at bigint not null,
  moments bigint[] not null,
  taken integer[] not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 1000);

-- Take up to `wanted` requests of each key at a moment; a moment before one that was counted counts as that one, so
-- that processes whose clocks differ a little share one time. Returns how many may go on, after how many hundredths
-- of a second the next one may, and in how many the bucket is full. Keys in one order, so that two processes cannot
-- deadlock.
create function take_reads(p_moment timestamptz, p_keys uuid[], p_wanted integer[])
returns table (key_id uuid, granted integer, next_in integer, full_in integer)
language plpgsql as $$
declare
  most constant integer := 120;
  span constant integer := 3000;
  asked record;
  known read_windows;
  moment bigint;
  in_span integer;
  filling integer;
  leaving integer;
begin
  for asked in
    select a.key_id, a.wanted from unnest(p_keys, p_wanted) a(key_id, wanted) order by a.key_id
  loop
    moment := floor(extract(epoch from p_moment) * 100);
    insert into read_windows (key_id, level, filled_at, moments, taken)
      values (asked.key_id, most, moment, '{}', '{}') on conflict do nothing;
    select * into known from read_windows w where w.key_id = asked.key_id for update;
    moment := greatest(moment, known.filled_at);
    known.level := least(most, known.level + (moment - known.filled_at) / 100.0);
    -- what was taken within the span; a hundredth more rather than less
    select coalesce(array_agg(t.at order by t.at), '{}'), coalesce(array_agg(t.number order by t.at), '{}'),
      coalesce(sum(t.number), 0)
    into known.moments, known.taken, in_span
    from unnest(known.moments, known.taken) t(at, number) where t.at >= moment - span;
    granted := greatest(0, least(asked.wanted, floor(known.level)::integer, most - in_span));
    if granted > 0 then
      known.level := known.level - granted;
      in_span := in_span + granted;
      if known.moments[cardinality(known.moments)] = moment then
        known.taken[cardinality(known.taken)] := known.taken[cardinality(known.taken)] + granted;
      else
        known.moments := known.moments || moment;
        known.taken := known.taken || granted;
      end if;
    end if;
    update read_windows w
      set level = known.level, filled_at = moment, moments = known.moments, taken = known.taken
      where w.key_id = asked.key_id;
    filling := greatest(0, ceil((1 - known.level) * 100));
    leaving := case when in_span < most then 0 else greatest(0, known.moments[1] + span + 1 - moment) end;
    key_id := asked.key_id;
    next_in := greatest(filling, leaving);
    full_in := ceil((most - known.level) * 100);
    return next;
  end loop;
end $$;
