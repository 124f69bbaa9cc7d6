-- Keys with which transactional messages are submitted, and which account sends a type of message for an application
-- that names none. The secret is sealed, since it signs; the passphrase is only compared, and so hashed.
create table message_keys (
  organisation_id uuid not null references organisations,
  id uuid not null,
  name text not null,
  key text not null unique,
  sealed_secret bytea not null,
  passphrase_hash bytea not null,
  is_signing_required boolean not null,
  is_secret_waived boolean not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (organisation_id, id)
);

-- What a limited key reaches; a key without rows reaches every application of its organisation.
create table message_key_applications (
  organisation_id uuid not null,
  key_id uuid not null,
  application_id uuid not null,
  primary key (organisation_id, key_id, application_id),
  foreign key (organisation_id, key_id) references message_keys,
  foreign key (organisation_id, application_id) references applications
);

create table default_backends (
  organisation_id uuid not null,
  application_id uuid not null,
  channel text not null,
  account_id uuid not null,
  primary key (organisation_id, application_id, channel),
  foreign key (organisation_id, application_id) references applications,
  foreign key (organisation_id, account_id) references accounts
);

do $$
declare
  settings_table text;
begin
  foreach settings_table in array array['message_keys', 'message_key_applications', 'default_backends']
  loop
    execute format('alter table %I enable row level security', settings_table);
    execute format('alter table %I force row level security', settings_table);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', settings_table);
    execute format('create policy owner on %I to current_user using (true) with check (true)', settings_table);
  end loop;
end $$;

grant select, insert, update on message_keys to outrider_tenant;
grant select, insert on message_key_applications to outrider_tenant;
grant select, insert, update, delete on default_backends to outrider_tenant;

-- In which contract's words an endpoint is told of events.
alter table subscriptions add column family text not null default 'outeract'
  check (family in ('outeract', 'outkit'));
