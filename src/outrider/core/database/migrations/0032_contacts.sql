-- Contacts found by their words, companies by their names, and imports that can go on where they stopped.

-- The words of a text, with blanks between them: in lower case, without accents, split where addresses and names are.
-- outreach/searching.py does the same to what is looked for.
create function contact_words(p_text text) returns text immutable parallel safe language sql as $$
  select lower(translate(
    regexp_replace(normalize(p_text, NFKD), '[\u0300-\u036f]', '', 'g'),
    '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', '                                '))
$$;

create function contact_search(p_organisation_id uuid, p_name text, p_email text, p_company_id uuid) returns tsvector
stable language sql as $$
  select to_tsvector('simple', contact_words(concat_ws(' ', p_name, p_email,
    (select concat_ws(' ', c.name, c.domain) from companies c
     where c.organisation_id = p_organisation_id and c.id = p_company_id))))
$$;

alter table contacts add column search tsvector;
update contacts set search = contact_search(organisation_id, name, email, company_id);
alter table contacts alter column search set not null;

create function set_contact_search() returns trigger language plpgsql as $$
begin
  new.search := contact_search(new.organisation_id, new.name, new.email, new.company_id);
  return new;
end $$;
create trigger contacts_search before insert or update of name, email, company_id on contacts
  for each row execute function set_contact_search();

create function set_search_of_company() returns trigger language plpgsql as $$
begin
  update contacts c set search = contact_search(c.organisation_id, c.name, c.email, c.company_id)
  where c.organisation_id = new.organisation_id and c.company_id = new.id;
  return null;
end $$;
create trigger companies_search after update of name, domain on companies for each row
  when (old.name is distinct from new.name or old.domain is distinct from new.domain)
  execute function set_search_of_company();

create index contacts_search on contacts using gin (search) with (fastupdate = off);

-- Whoever has all these words, by the index of words alone: sessions that read do without bitmap scans (decision 0020),
-- and this index knows nothing else. The tenant is compared in a way that no other index can offer itself for, so that
-- the plan is right from the first contact on.
create function contacts_with_words(p_organisation_id uuid, p_words text) returns setof uuid
stable language plpgsql set enable_bitmapscan = on as $$
begin
  return query select c.id from contacts c
    where (c.organisation_id = p_organisation_id) is true and c.search @@ to_tsquery('simple', p_words);
end $$;

-- A company without a domain is known by its name; one with a domain may share its name with another.
create unique index companies_only_name on companies (organisation_id, lower(name)) where domain is null;
create index companies_name on companies (organisation_id, lower(name), id);
create index contact_lists_name on contact_lists (organisation_id, name);

create table contact_imports (
  organisation_id uuid not null references organisations,
  id uuid not null,
  member_id uuid,
  list_id uuid,
  format text not null check (format in ('csv', 'jsonl')),
  -- which column each field is read from, where the header does not tell
  mapping json not null,
  on_duplicate text not null check (on_duplicate in ('skip', 'update')),
  is_dry_run boolean not null,
  -- the rows: given with the import, or a stored file by its digest; neither where a command reads a file of its own
  content bytea,
  stored_sha256 bytea,
  size bigint not null,
  -- what makes the same command with the same file go on with this import
  command_key bytea,
  status text not null default 'waiting' check (status in ('waiting', 'running', 'finished', 'failed', 'cancelled')),
  -- everything before this byte is done
  position bigint not null default 0,
  row_number integer not null default 0,
  created_count integer not null default 0,
  updated_count integer not null default 0,
  skipped_count integer not null default 0,
  failed_count integer not null default 0,
  failure text,
  -- when a worker may take it, or take it over; null for commands, and at the end
  due_at timestamptz,
  claim uuid,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  finished_at timestamptz,
  primary key (organisation_id, id),
  foreign key (organisation_id, member_id) references members,
  foreign key (organisation_id, list_id) references contact_lists
);
create index contact_imports_due on contact_imports (due_at) where due_at is not null;
create unique index contact_imports_command on contact_imports (organisation_id, command_key)
  where command_key is not null and status = 'running';

-- What was left out, and why.
create table contact_import_errors (
  organisation_id uuid not null,
  import_id uuid not null,
  row_number integer not null,
  field text,
  reason text not null,
  primary key (organisation_id, import_id, row_number),
  foreign key (organisation_id, import_id) references contact_imports on delete cascade
);

do $$
declare
  walled text;
begin
  foreach walled in array array['contact_imports', 'contact_import_errors']
  loop
    execute format('alter table %I enable row level security', walled);
    execute format('alter table %I force row level security', walled);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', walled);
    execute format('create policy owner on %I to current_user using (true) with check (true)', walled);
  end loop;
end $$;

grant select, insert, update on contact_imports to outrider_tenant;
grant select, insert on contact_import_errors to outrider_tenant;
