-- Partitions by month of the id's time (UUIDv7: the first 48 bits are milliseconds), made ahead.

create function first_id_at(moment timestamptz) returns uuid immutable language sql as $$
  select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- As the contracts show it: milliseconds, Z.
create function shown_time(moment timestamptz) returns text stable language sql as $$
  select to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

create function ensure_partitions(months_ahead integer) returns integer language plpgsql as $$
declare
  parent text;
  month timestamptz;
  created integer := 0;
begin
  -- one maker at a time, in every process
  perform pg_advisory_xact_lock(7305001);
  -- every table that is partitioned, whichever migration made it
  for parent in
    select c.relname from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
    where c.relnamespace = current_schema()::regnamespace order by c.oid
  loop
    if to_regclass(parent || '_default') is null then
      execute format('create table %I partition of %I default', parent || '_default', parent);
    end if;
    -- last month's is for a table that is new: later it may have been dropped for good
    for ahead in (case when to_regclass(parent || to_char(now() at time zone 'UTC', '_YYYY_MM')) is null
      then -1 else 0 end) .. months_ahead loop
      month := date_trunc('month', now(), 'UTC') + make_interval(months => ahead);
      if to_regclass(parent || to_char(month at time zone 'UTC', '_YYYY_MM')) is null then
        -- of a table without statistics the planner thinks well: it looks rows up by whole keys; statistics of a
        -- handful of rows tell it that any index will do, and the plan made then is kept while the table grows
        execute format('create table %I partition of %I for values from (%L) to (%L) '
          'with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000)',
          parent || to_char(month at time zone 'UTC', '_YYYY_MM'), parent,
          first_id_at(month), first_id_at(month + interval '1 month'));
        created := created + 1;
      end if;
    end loop;
  end loop;
  return created;
end $$;

select ensure_partitions(3);
