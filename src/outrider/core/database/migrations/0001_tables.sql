-- Settings: small tables, keyed by organisation, joined by composite foreign keys, walled by row security.

create table organisations (
  id uuid primary key,
  name text not null,
  tier text not null,
  created_at timestamptz not null default now()
);

-- Every organisation has one hidden application (kind 'organisation') for its organisation-wide facts.
create table applications (
  organisation_id uuid not null references organisations,
  id uuid not null unique,
  kind text not null check (kind in ('application', 'organisation')),
  slug text not null,
  name text not null,
  config json not null default '{}',
  created_at timestamptz not null default now(),
  primary key (organisation_id, id),
  unique (organisation_id, slug)
);
create unique index applications_hidden on applications (organisation_id) where kind = 'organisation';

create table accounts (
  organisation_id uuid not null references organisations,
  id uuid not null,
  provider text not null,
  channel text not null,
  identifier text not null,
  config json not null,
  sealed_config bytea not null,
  webhook_id uuid not null unique,
  webhook_secret_hash bytea not null,
  created_at timestamptz not null default now(),
  primary key (organisation_id, id),
  unique (organisation_id, identifier)
);

create table connections (
  organisation_id uuid not null,
  application_id uuid not null,
  id uuid not null,
  account_id uuid not null,
  identifier text not null,
  name text not null,
  channel text not null,
  provider text not null,
  in_doubt_policy text not null default 'retry' check (in_doubt_policy in ('retry', 'hold')),
  status text not null default 'active' check (status in ('active', 'disabled', 'deleted')),
  system_platform_user_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (organisation_id, id),
  unique (application_id, id),
  unique (application_id, identifier),
  foreign key (organisation_id, application_id) references applications,
  foreign key (organisation_id, account_id) references accounts
);
create index connections_account on connections (organisation_id, account_id);

create table api_keys (
  organisation_id uuid not null references organisations,
  application_id uuid,
  id uuid not null,
  kind text not null check (kind in ('developer')),
  name text not null,
  environment text not null check (environment in ('live', 'test')),
  secret_hash bytea not null unique,
  hint text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (organisation_id, id),
  foreign key (organisation_id, application_id) references applications
);

create table subscriptions (
  organisation_id uuid not null,
  application_id uuid not null,
  id uuid not null,
  name text not null,
  target_url text not null,
  patterns text[] not null,
  sealed_secret bytea not null,
  sealed_previous_secret bytea,
  previous_secret_until timestamptz,
  status text not null default 'active' check (status in ('active', 'paused', 'disabled', 'deleted')),
  status_reason text,
  from_position bigint not null,
  failing_since timestamptz,
  created_at timestamptz not null default now(),
  primary key (organisation_id, id),
  unique (application_id, id),
  foreign key (organisation_id, application_id) references applications
);

-- What an active subscription wants, one row a pattern: events match by equality.
create table subscription_patterns (
  organisation_id uuid not null,
  application_id uuid not null,
  pattern text not null,
  subscription_id uuid not null,
  primary key (application_id, pattern, subscription_id),
  foreign key (organisation_id, application_id) references applications,
  foreign key (application_id, subscription_id) references subscriptions (application_id, id) on delete cascade
);

-- Identities. Ids derive from (organisation key, connection, external id), so creators need not read back.

create table users (
  application_id uuid not null,
  id uuid not null,
  name text,
  is_system boolean not null default false,
  created_at timestamptz not null,
  primary key (application_id, id)
) with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000);
create index users_newest on users (application_id, created_at, id);
create index users_system on users (application_id, created_at, id) where is_system;

create table platform_users (
  application_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  connection_id uuid not null,
  external_id text not null,
  name text,
  profile_picture_url text,
  created_at timestamptz not null,
  primary key (application_id, id),
  unique (application_id, connection_id, external_id)
) with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000);
create index platform_users_newest on platform_users (application_id, created_at, id);
create index platform_users_user on platform_users (application_id, user_id);

-- The log. No foreign keys: partitions must be droppable; the append checks every target with its tenant.

create sequence event_position;

create table event_types (
  application_id uuid not null,
  name text not null,
  primary key (application_id, name)
);

create table events (
  application_id uuid not null,
  id uuid not null,
  position bigint not null,
  event_type text not null,
  origin_event_id uuid,
  payload json not null,
  primary key (application_id, id)
) partition by range (id);
create index events_type on events (application_id, event_type, id);
create index events_position on events (application_id, position);
create index events_origin on events (application_id, origin_event_id, id) where origin_event_id is not null;

create table edges (
  application_id uuid not null,
  event_id uuid not null,
  id uuid not null,
  edge_type text not null,
  target_type text not null check (target_type in ('event', 'user', 'platform_user', 'file')),
  target_id uuid not null,
  primary key (application_id, event_id, id)
) partition by range (event_id);
create index edges_target on edges (application_id, target_id, event_id);

-- The platform's own request, byte for byte.
create table raw_bodies (
  application_id uuid not null,
  event_id uuid not null,
  body bytea not null,
  headers json not null,
  primary key (application_id, event_id)
) partition by range (event_id);

-- Folded from the log: state 0 accepted, 1 sent, 2 failed, 3 delivered, 4 read; rebuilt by `outrider verify`.
create table messages (
  application_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  platform_user_id uuid not null,
  state smallint not null default 0,
  external_id text,
  sent_at timestamptz,
  failed_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  error json,
  primary key (application_id, id)
) partition by range (id);

-- Ledgers: what must be unique and cannot live in a partitioned table.

-- Idempotency keys (scope = operation) and inbound dedupe keys (scope = connection).
create table once_keys (
  application_id uuid not null,
  scope text not null,
  key text not null,
  request_hash bytea,
  event_id uuid not null,
  expires_at timestamptz not null,
  primary key (application_id, scope, key)
) with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000);
create index once_keys_expiry on once_keys using brin (expires_at);

-- A platform's message ids; event_id is null while only a receipt is known.
create table external_messages (
  application_id uuid not null,
  connection_id uuid not null,
  external_id text not null,
  event_id uuid,
  primary key (application_id, connection_id, external_id)
) with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000);

-- Receipts that came before our record of the send: whole events that wait for their origin.
create table parked_receipts (
  application_id uuid not null,
  connection_id uuid not null,
  external_id text not null,
  event_id uuid not null,
  event_type text not null,
  payload text not null,
  fragment text not null,
  raw bytea,
  raw_headers text,
  state smallint not null,
  happened_at timestamptz not null,
  error text,
  primary key (application_id, connection_id, external_id, event_id)
) with (autovacuum_analyze_threshold = 10000, autovacuum_vacuum_threshold = 10000);

-- Outgoing work.

-- Unfinished work only. `position` is the event's, so a reader goes forward and never misses a late commit.
-- due_at is null for work that is ready at once; held rows wait for the outcome of their message.
create table delivery_queue (
  application_id uuid not null,
  shard smallint not null,
  position bigint not null,
  id uuid not null,
  kind text not null check (kind in ('message', 'webhook')),
  event_id uuid not null,
  target_id uuid not null,
  ordering_key bigint,
  state text not null default 'ready' check (state in ('ready', 'held', 'started', 'in_doubt')),
  attempts smallint not null default 0,
  due_at timestamptz,
  expires_at timestamptz,
  primary key (shard, position, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
create index delivery_queue_due on delivery_queue (due_at) where due_at is not null;
create index delivery_queue_event on delivery_queue (application_id, event_id);

-- More than 16 subscriptions of one event: expanded in chunks behind the append.
create table fan_outs (
  application_id uuid not null,
  position bigint not null,
  event_id uuid not null,
  event_type text not null,
  ordering_key bigint,
  is_held boolean not null,
  after_subscription_id uuid not null,
  primary key (position, event_id)
);

-- What became of finished work; a row is written once.
create table deliveries (
  application_id uuid not null,
  id uuid not null,
  kind text not null,
  event_id uuid not null,
  target_id uuid not null,
  state text not null check (state in ('succeeded', 'failed', 'dropped', 'cancelled')),
  reason text,
  attempts smallint not null,
  finished_at timestamptz not null,
  primary key (application_id, id)
) partition by range (id);
create index deliveries_target on deliveries (application_id, target_id, id);
create index deliveries_event on deliveries (application_id, event_id);

create table attempts (
  application_id uuid not null,
  delivery_id uuid not null,
  number smallint not null,
  result text not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  status_code integer,
  detail text,
  retry_at timestamptz,
  primary key (application_id, delivery_id, number)
) partition by range (delivery_id);

-- The part of a webhook body that all deliveries of an event share, as it was at release.
create table frozen_bodies (
  application_id uuid not null,
  event_id uuid not null,
  fragment text not null,
  primary key (application_id, event_id)
) partition by range (event_id);

-- Who dispatches what.

create table processes (
  id uuid primary key,
  host text not null,
  boot_id text not null,
  pid integer not null,
  role text not null,
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now()
);

create table shards (
  shard smallint primary key,
  owner_id uuid,
  epoch bigint not null default 0
);
insert into shards (shard) select generate_series(0, 63);
