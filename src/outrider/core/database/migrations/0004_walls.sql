-- The walls between tenants. A settings transaction works as the role outrider_tenant, which owns nothing and sees
-- only the rows of the organisation that the transaction names. Roles belong to the whole cluster: several
-- databases may be migrated at once, and one may find what another made.

do $$
begin
  if not exists (select from pg_roles where rolname = 'outrider_tenant') then
    begin
      create role outrider_tenant nologin;
    exception
      when duplicate_object or unique_violation then null;
      when insufficient_privilege then
        raise exception 'the role outrider_tenant is missing and % may not create it', current_user
          using hint = 'As a superuser: create role outrider_tenant nologin; grant outrider_tenant to '
            || quote_ident(current_user) || ' with set true;';
    end;
  end if;
  if not pg_has_role(current_user, 'outrider_tenant', 'SET') then
    begin
      execute format('grant outrider_tenant to %I with inherit false, set true', current_user);
    exception
      when unique_violation then null;
      when insufficient_privilege then
        raise exception '% may not act as the role outrider_tenant', current_user
          using hint = 'As a superuser: grant outrider_tenant to ' || quote_ident(current_user) || ' with set true;';
    end;
  end if;
  execute format('grant usage on schema %I to outrider_tenant', current_schema());
end $$;

-- Which organisation this transaction is for; null, and so equal to nothing, where none was named.
create function current_organisation() returns uuid stable language sql as $$
  select nullif(current_setting('outrider.organisation_id', true), '')::uuid
$$;

do $$
declare
  wall record;
begin
  for wall in select * from (values
    ('organisations', 'id'), ('applications', 'organisation_id'), ('accounts', 'organisation_id'),
    ('connections', 'organisation_id'), ('api_keys', 'organisation_id'), ('subscriptions', 'organisation_id'),
    ('subscription_patterns', 'organisation_id')) as t(settings_table, tenant_column)
  loop
    execute format('alter table %I enable row level security', wall.settings_table);
    execute format('alter table %I force row level security', wall.settings_table);
    execute format('create policy tenant on %I to outrider_tenant using (%I = (select current_organisation())) '
      'with check (%I = (select current_organisation()))',
      wall.settings_table, wall.tenant_column, wall.tenant_column);
    -- the owner crosses tenants: key and webhook lookup, appender, dispatcher, maintenance
    execute format('create policy owner on %I to current_user using (true) with check (true)', wall.settings_table);
  end loop;
end $$;

grant select, insert, update on organisations, applications, accounts, connections, api_keys, subscriptions
  to outrider_tenant;
grant select, insert, delete on subscription_patterns to outrider_tenant;
grant select on event_position to outrider_tenant;

-- What a settings transaction leaves in the log and among the people, which are no tables of its own. Both run as
-- the owner and hold themselves to the transaction's organisation.

-- The audit event of a settings transaction, in its organisation's hidden application. Call it last: from here to
-- the commit every append waits.
create function append_audit(p_organisation_id uuid, p_event_type text, p_payload text, p_event_id uuid) returns bigint
security definer language plpgsql as $$
declare
  hidden_id uuid;
  next_position bigint;
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'an audit event of another organisation' using errcode = 'insufficient_privilege';
  end if;
  select a.id into strict hidden_id from applications a
    where a.organisation_id = p_organisation_id and a.kind = 'organisation';
  insert into event_types (application_id, name) values (hidden_id, p_event_type) on conflict do nothing;
  perform pg_advisory_xact_lock(7305002);
  next_position := nextval('event_position');
  insert into events (application_id, id, position, event_type, payload)
    values (hidden_id, p_event_id, next_position, p_event_type, p_payload::json);
  return next_position;
end $$;

-- The system user of a new connection and its face there: who sends what we send.
create function create_system_user(
  p_organisation_id uuid, p_connection_id uuid, p_user_id uuid, p_platform_user_id uuid, p_external_id text,
  p_name text
) returns void security definer language plpgsql as $$
declare
  owning_id uuid;
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'a system user of another organisation' using errcode = 'insufficient_privilege';
  end if;
  select c.application_id into strict owning_id from connections c
    where c.organisation_id = p_organisation_id and c.id = p_connection_id;
  insert into users (application_id, id, name, is_system, created_at)
    values (owning_id, p_user_id, p_name, true, now());
  insert into platform_users (application_id, id, user_id, connection_id, external_id, name, created_at)
    values (owning_id, p_platform_user_id, p_user_id, p_connection_id, p_external_id, p_name, now());
end $$;

do $$
declare
  guarded text;
begin
  foreach guarded in array array['append_audit(uuid, text, text, uuid)',
    'create_system_user(uuid, uuid, uuid, uuid, text, text)']
  loop
    -- no name in them may be answered by a table of the caller's
    execute format('alter function %s set search_path = %I, pg_temp', guarded, current_schema());
    execute format('revoke all on function %s from public', guarded);
    execute format('grant execute on function %s to outrider_tenant', guarded);
  end loop;
end $$;
