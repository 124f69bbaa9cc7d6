-- Outreach: records about people whom an organisation writes to. Keyed by organisation like settings, and walled like
-- them. Ids are UUIDv7, so that the order of ids is that of creation; created_at is the id's time.

create table companies (
  organisation_id uuid not null references organisations,
  id uuid not null,
  name text,
  -- in lower case and ASCII (IDNA)
  domain text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (organisation_id, id)
);
create unique index companies_domain on companies (organisation_id, domain) where domain is not null;

create table contact_lists (
  organisation_id uuid not null references organisations,
  id uuid not null,
  name text not null,
  source_type text not null,
  description text,
  connection_point text,
  goal text,
  -- the member who made it, and what its drafts are sent through
  member_id uuid,
  application_id uuid,
  account_id uuid,
  archived_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (organisation_id, id),
  foreign key (organisation_id, member_id) references members,
  foreign key (organisation_id, application_id) references applications,
  foreign key (organisation_id, account_id) references accounts
);

create table contacts (
  organisation_id uuid not null references organisations,
  id uuid not null,
  name text not null,
  -- as it is shown; what is compared stands in contact_addresses
  email text not null,
  company_id uuid,
  list_id uuid,
  qualification_status text not null default 'unqualified',
  fit_score smallint check (fit_score between 0 and 100),
  urgency_score smallint check (urgency_score between 0 and 100),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (organisation_id, id),
  foreign key (organisation_id, company_id) references companies,
  foreign key (organisation_id, list_id) references contact_lists
);
create index contacts_list on contacts (organisation_id, list_id, id);
create index contacts_status on contacts (organisation_id, qualification_status, id);
create index contacts_company on contacts (organisation_id, company_id);

-- Where contacts and platform users meet: by (class of channel, normalised address), within the organisation.
create table contact_addresses (
  organisation_id uuid not null,
  channel_class text not null,
  address text not null,
  contact_id uuid not null,
  primary key (organisation_id, channel_class, address),
  foreign key (organisation_id, contact_id) references contacts on delete cascade
);
create index contact_addresses_contact on contact_addresses (organisation_id, contact_id);

create table drafts (
  organisation_id uuid not null,
  id uuid not null,
  application_id uuid not null,
  contact_id uuid not null,
  list_id uuid,
  account_id uuid,
  channel text not null default 'email',
  subject text not null,
  body_text text,
  body_html text,
  -- instead of a body: a stored template of the application, and what it is filled with
  template text,
  template_locals json,
  status text not null default 'draft' check (status in ('draft', 'needs_review', 'approved', 'scheduled', 'sending',
    'sent', 'replied', 'failed', 'discarded')),
  ignores_suppression boolean not null default false,
  scheduled_at timestamptz,
  -- the message.outbound event that it became
  message_id uuid,
  sent_at timestamptz,
  failure json,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (organisation_id, id),
  foreign key (organisation_id, application_id) references applications,
  foreign key (organisation_id, contact_id) references contacts,
  foreign key (organisation_id, list_id) references contact_lists,
  foreign key (organisation_id, account_id) references accounts
);
create index drafts_status on drafts (organisation_id, status, id);
create index drafts_contact on drafts (organisation_id, contact_id, id);
create unique index drafts_message on drafts (application_id, message_id) where message_id is not null;

-- One dossier for each contact; what was replaced stands in the log.
create table dossiers (
  organisation_id uuid not null,
  contact_id uuid not null,
  level smallint not null check (level between 1 and 4),
  summary text not null,
  -- [{text, source, eventId}]
  facts json not null,
  researched_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (organisation_id, contact_id),
  foreign key (organisation_id, contact_id) references contacts on delete cascade
);

create table outreach_settings (
  organisation_id uuid primary key references organisations,
  dossier_days integer not null default 30 check (dossier_days between 1 and 3650)
);

-- Keys of the read API: `obk_live_<32 hex>`, kept as hashes.
create table read_keys (
  organisation_id uuid not null references organisations,
  id uuid not null,
  name text not null,
  secret_hash bytea not null unique,
  hint text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- written now and then, not at every request
  last_used_at timestamptz,
  primary key (organisation_id, id)
);

do $$
declare
  walled text;
begin
  foreach walled in array array['companies', 'contact_lists', 'contacts', 'contact_addresses', 'drafts', 'dossiers',
    'outreach_settings', 'read_keys']
  loop
    execute format('alter table %I enable row level security', walled);
    execute format('alter table %I force row level security', walled);
    execute format('create policy tenant on %I to outrider_tenant using (organisation_id = (select '
      'current_organisation())) with check (organisation_id = (select current_organisation()))', walled);
    execute format('create policy owner on %I to current_user using (true) with check (true)', walled);
  end loop;
end $$;

grant select, insert, update, delete on companies, contact_lists, contacts, contact_addresses, drafts, dossiers,
  outreach_settings to outrider_tenant;
grant select, insert, update on read_keys to outrider_tenant;

-- On which class of addresses a channel reaches people: one number is the same person by SMS and WhatsApp.
create function channel_class(p_channel text) returns text immutable language sql as $$
  select case when p_channel in ('sms', 'whatsapp', 'imessage') then 'phone' else p_channel end
$$;

-- An address on a channel as contact_addresses has it.
create function contact_address(p_channel text, p_external_id text) returns text immutable language sql as $$
  select case
    when p_channel in ('sms', 'whatsapp') then '+' || regexp_replace(p_external_id, '\D', '', 'g')
    else lower(p_external_id)
    end
$$;

-- The contact whom an event is about: the one it names (facts about contacts, drafts and dossiers do), else whoever
-- sent or was sent the message that it is or tells of.
create function contact_of_event(
  p_organisation_id uuid, p_application_id uuid, p_event_id uuid, p_origin_event_id uuid, p_payload json
) returns uuid stable language sql as $$
  select coalesce(
    (select c.id from contacts c
     where c.organisation_id = p_organisation_id
       and c.id = case when p_payload ->> 'contact_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
         then (p_payload ->> 'contact_id')::uuid end),
    (select a.contact_id
     from edges g
     join platform_users p on p.application_id = p_application_id and p.id = g.target_id
     join connections c on c.application_id = p_application_id and c.id = p.connection_id
     join contact_addresses a on a.organisation_id = p_organisation_id
       and a.channel_class = channel_class(c.channel) and a.address = contact_address(c.channel, p.external_id)
     where g.application_id = p_application_id and g.event_id in (p_event_id, p_origin_event_id)
       and g.target_type = 'platform_user'
     order by g.event_id desc, a.contact_id limit 1))
$$;
