-- What belongs to this database and to no other.

-- Which master key the ids of people derive from and the first secrets were sealed with: a server that comes with
-- another one would write the same people under new ids.
create table installation (
  is_only boolean primary key default true check (is_only),
  first_key_id bytea not null,
  created_at timestamptz not null default now()
);

-- A pid is given to others later; together with the moment of its start, in the kernel's ticks, it is one process.
alter table processes add column start_ticks bigint not null default 0;
