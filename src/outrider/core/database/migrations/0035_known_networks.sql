-- Applications that can be brought back, and where members have signed in from.

-- What an application was called and what of it was stopped when it was archived. Empty of those that a release before
-- this one archived.
alter table applications add column archived_slug text;
alter table connections add column is_stopped boolean not null default false;

-- The networks that a member has signed in from, as keyed digests: wrong passwords from elsewhere do not keep it out.
create table member_networks (
  organisation_id uuid not null,
  member_id uuid not null,
  network bytea not null,
  last_signed_in_at timestamptz not null default clock_timestamp(),
  primary key (organisation_id, member_id, network),
  foreign key (organisation_id, member_id) references members
);
create index member_networks_age on member_networks (last_signed_in_at);

alter table member_networks enable row level security;
alter table member_networks force row level security;
create policy tenant on member_networks to outrider_tenant
  using (organisation_id = (select current_organisation()))
  with check (organisation_id = (select current_organisation()));
create policy owner on member_networks to current_user using (true) with check (true);
grant select, insert, update, delete on member_networks to outrider_tenant;
