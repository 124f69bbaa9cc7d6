-- Event schemas: what payloads of a customer's event types must look like. A row a type, with the version that holds;
-- its id is that of the event type (UUIDv5 of application and name).
create table event_schemas (
  organisation_id uuid not null,
  application_id uuid not null,
  id uuid not null,
  name text not null,
  description text,
  version integer not null default 1,
  json_schema json not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organisation_id, id),
  unique (application_id, id),
  unique (application_id, name),
  foreign key (organisation_id, application_id) references applications
);

-- Every version there was, the one that holds among them; written once.
create table event_schema_versions (
  organisation_id uuid not null,
  application_id uuid not null,
  schema_id uuid not null,
  version integer not null,
  description text,
  json_schema json not null,
  created_at timestamptz not null,
  primary key (application_id, schema_id, version),
  foreign key (organisation_id, application_id) references applications,
  foreign key (application_id, schema_id) references event_schemas (application_id, id)
);

do $$
declare
  settings_table text;
begin
  foreach settings_table in array array['event_schemas', 'event_schema_versions']
  loop
    execute format('alter table %I enable row level security', settings_table);
    execute format('alter table %I force row level security', settings_table);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', settings_table);
    execute format('create policy owner on %I to current_user using (true) with check (true)', settings_table);
  end loop;
end $$;

grant select, insert, update on event_schemas to outrider_tenant;
grant select, insert on event_schema_versions to outrider_tenant;

-- What customers' programs tell of their own work, tied to an event or not. No event itself: it starts nothing.
create table logs (
  application_id uuid not null,
  id uuid not null,
  event_id uuid,
  level text not null check (level in ('debug', 'info', 'warning', 'error', 'critical')),
  log_type text not null,
  message text not null,
  payload json,
  primary key (application_id, id)
) partition by range (id);
create index logs_level on logs (application_id, level, id);
create index logs_type on logs (application_id, log_type, id);
create index logs_event on logs (application_id, event_id, id) where event_id is not null;

select ensure_partitions(3);
