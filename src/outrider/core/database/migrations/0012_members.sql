-- Members: people who administer an organisation, how they sign in, and what can be archived since.

create table members (
  organisation_id uuid not null references organisations,
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text not null,
  role text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
  status text not null default 'active' check (status in ('active', 'disabled', 'removed')),
  created_at timestamptz not null default now(),
  last_signed_in_at timestamptz,
  primary key (organisation_id, id)
);
-- Over all organisations: the address is what tells the tenant of whoever signs in.
create unique index members_email on members (email) where status <> 'removed';

-- Who was invited and has not come. Nothing is unique here: an invitation must not keep an address from others.
create table invitations (
  organisation_id uuid not null references organisations,
  id uuid not null,
  email text not null,
  role text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (organisation_id, id)
);

-- A session is a family of refresh tokens, each used once for the next. Whoever brings a used one ends it.
create table member_sessions (
  organisation_id uuid not null,
  id uuid not null unique,
  member_id uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (organisation_id, id),
  foreign key (organisation_id, member_id) references members
);
create index member_sessions_member on member_sessions (organisation_id, member_id);
create index member_sessions_expiry on member_sessions (expires_at);

create table refresh_tokens (
  organisation_id uuid not null,
  session_id uuid not null,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  foreign key (organisation_id, session_id) references member_sessions (organisation_id, id) on delete cascade
);
create index refresh_tokens_session on refresh_tokens (organisation_id, session_id);

do $$
declare
  settings_table text;
begin
  foreach settings_table in array array['members', 'invitations', 'member_sessions', 'refresh_tokens']
  loop
    execute format('alter table %I enable row level security', settings_table);
    execute format('alter table %I force row level security', settings_table);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', settings_table);
    execute format('create policy owner on %I to current_user using (true) with check (true)', settings_table);
  end loop;
end $$;

grant select, insert, update on members, invitations, member_sessions, refresh_tokens to outrider_tenant;

-- Who tries passwords: hashes of addresses of both kinds, and how often since when.
create table password_attempts (
  subject bytea primary key,
  began_at timestamptz not null,
  taken integer not null
);

-- What access tokens are signed with, sealed with the master key; several are good at the same time.
create table signing_keys (
  id uuid primary key,
  sealed_key bytea not null,
  created_at timestamptz not null default now()
);

alter table applications add column archived_at timestamptz;
alter table accounts add column deleted_at timestamptz;
