-- Templates of messages. A row a template, with the version in use; archived ones stay, their identifiers are free.
create table templates (
  organisation_id uuid not null,
  application_id uuid not null,
  id uuid not null,
  identifier text not null,
  name text not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  archived_at timestamptz,
  primary key (organisation_id, id),
  unique (application_id, id),
  foreign key (organisation_id, application_id) references applications
);
create unique index templates_identifier on templates (application_id, identifier) where archived_at is null;

-- Every version there was, the one in use among them; written once.
create table template_versions (
  organisation_id uuid not null,
  application_id uuid not null,
  template_id uuid not null,
  version integer not null,
  sender text,
  subject text,
  text_body text,
  html_body text,
  styles text,
  locals json not null,
  is_strict boolean not null,
  created_at timestamptz not null default now(),
  primary key (application_id, template_id, version),
  foreign key (organisation_id, application_id) references applications,
  foreign key (application_id, template_id) references templates (application_id, id)
);

-- What all templates of an application, or (application_id null) of an organisation, are rendered with.
create table template_locals (
  organisation_id uuid not null references organisations,
  application_id uuid,
  locals json not null,
  updated_at timestamptz not null default now(),
  unique nulls not distinct (organisation_id, application_id),
  foreign key (organisation_id, application_id) references applications
);

do $$
declare
  settings_table text;
begin
  foreach settings_table in array array['templates', 'template_versions', 'template_locals']
  loop
    execute format('alter table %I enable row level security', settings_table);
    execute format('alter table %I force row level security', settings_table);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', settings_table);
    execute format('create policy owner on %I to current_user using (true) with check (true)', settings_table);
  end loop;
end $$;

grant select, insert, update on templates to outrider_tenant;
grant select, insert on template_versions to outrider_tenant;
grant select, insert, update on template_locals to outrider_tenant;
