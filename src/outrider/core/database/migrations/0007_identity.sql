-- Users that became one, and link codes.

-- An absorbed user stays as a row that names the kept one, never through others: ids that callers hold still lead
-- somewhere, and the append that would create the user again finds it. The event is the one that absorbed it.
alter table users add column merged_into_id uuid, add column merged_by_event_id uuid,
  add constraint users_merged check ((merged_into_id is null) = (merged_by_event_id is null));
create index users_merged_into on users (application_id, merged_into_id) where merged_into_id is not null;

-- Ledgers: a code is unique in its application while it is kept, and its uses are counted in one place.

create table link_codes (
  application_id uuid not null,
  code text not null,
  event_id uuid not null,
  platform_user_id uuid not null,
  max_uses integer not null,
  uses integer not null default 0,
  expires_at timestamptz not null,
  primary key (application_id, code),
  check (uses between 0 and max_uses)
);
create index link_codes_expiry on link_codes (expires_at);

-- Who tried codes that do not exist: the last times, and until when nothing that they send counts as a code.
create table link_code_misses (
  application_id uuid not null,
  platform_user_id uuid not null,
  missed_at timestamptz[] not null,
  blocked_until timestamptz,
  changed_at timestamptz not null,
  primary key (application_id, platform_user_id)
);
create index link_code_misses_changed on link_code_misses (changed_at);
