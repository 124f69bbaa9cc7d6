-- How drafts are sent and follow the messages that they became.

alter table drafts
  -- of a draft with a template: its own subject as a template, null for the stored one's. `subject` is what came of it
  add column subject_template text,
  -- when to send it, null for a draft that waits for nobody. It is claimed by moving this beyond the longest that sending
  -- may take, so that one process sends at a time, and one that ended in the middle is followed by the next
  add column due_at timestamptz,
  add column claim uuid,
  add column failures integer not null default 0;
create index drafts_due on drafts (due_at) where due_at is not null;

-- The draft that a message was, so that the fold of a message costs nothing where there is none.
alter table messages add column draft_id uuid;

-- Which events of the organisation's log tell of a draft: who did what with it, and when.
create table draft_events (
  organisation_id uuid not null references organisations,
  draft_id uuid not null,
  event_id uuid not null,
  primary key (organisation_id, draft_id, event_id),
  foreign key (organisation_id, draft_id) references drafts
);
alter table draft_events enable row level security;
alter table draft_events force row level security;
create policy tenant on draft_events to outrider_tenant using (organisation_id = (select current_organisation()))
  with check (organisation_id = (select current_organisation()));
do $$
begin
  execute 'create policy owner on draft_events to current_user using (true) with check (true)';
end $$;
grant select, insert on draft_events to outrider_tenant;

-- Several audit events of one settings transaction, and which drafts they tell of. Call it last, as append_audit: from
-- here to the commit every append waits.
create function append_draft_events(
  p_organisation_id uuid, p_event_type text, p_draft_ids uuid[], p_event_ids uuid[], p_payloads text[]
) returns void security definer language plpgsql as $$
begin
  if p_organisation_id is distinct from current_organisation() then
    raise exception 'an audit event of another organisation' using errcode = 'insufficient_privilege';
  end if;
  insert into draft_events (organisation_id, draft_id, event_id)
    select p_organisation_id, t.draft_id, t.event_id from unnest(p_draft_ids, p_event_ids) t(draft_id, event_id);
  for n in 1 .. cardinality(p_event_ids) loop
    perform append_audit(p_organisation_id, p_event_type, p_payloads[n], p_event_ids[n]);
  end loop;
end $$;
do $$
begin
  execute format('alter function append_draft_events(uuid, text, uuid[], uuid[], text[]) set search_path = %I, pg_temp',
    current_schema());
  revoke all on function append_draft_events(uuid, text, uuid[], uuid[], text[]) from public;
  grant execute on function append_draft_events(uuid, text, uuid[], uuid[], text[]) to outrider_tenant;
end $$;

-- What a draft is of which the message has come this far: an answer outweighs all else.
create function draft_status(p_state smallint, p_is_replied boolean) returns text immutable language sql as $$
  select case
    when p_is_replied then 'replied'
    when p_state = 0 then 'sending'
    when p_state = 2 then 'failed'
    else 'sent'
    end
$$;

-- Whether somebody answered a message: a reaction is no answer.
create function is_replied(p_application_id uuid, p_message_id uuid) returns boolean stable language sql as $$
  select exists (select from edges g
    join events e on e.application_id = g.application_id and e.id = g.event_id
    where g.application_id = p_application_id and g.target_id = p_message_id and g.edge_type = 'reply_to'
      and e.event_type = 'message.inbound')
$$;

create function fold_draft() returns trigger language plpgsql as $$
begin
  update drafts d set
    status = draft_status(new.state, d.status = 'replied'),
    sent_at = new.sent_at,
    failure = case when new.state = 2 and d.status <> 'replied' then new.error end,
    updated_at = clock_timestamp()
  where d.application_id = new.application_id and d.message_id = new.id;
  return null;
end $$;

create trigger fold_draft after update on messages for each row
when (new.draft_id is not null and (new.state, new.sent_at) is distinct from (old.state, old.sent_at))
execute function fold_draft();

-- A reply stands among the edges before its event does: that it came to us, and is no reaction, its other edges say.
create function mark_draft_replied() returns trigger language plpgsql as $$
declare
  sent_draft_id uuid;
begin
  if not exists (
    select from edges g
    join platform_users p on p.application_id = g.application_id and p.id = g.target_id
    join users u on u.application_id = p.application_id and u.id = p.user_id
    where g.application_id = new.application_id and g.event_id = new.event_id and g.edge_type = 'sent_to'
      and u.is_system
  ) then
    return null;
  end if;
  -- whoever ties this message to its draft just now is waited for; whoever does it later finds the reply
  select m.draft_id into sent_draft_id from messages m
    where m.application_id = new.application_id and m.id = new.target_id for no key update;
  if sent_draft_id is not null then
    update drafts d set status = 'replied', failure = null, updated_at = clock_timestamp()
    where d.application_id = new.application_id and d.message_id = new.target_id and d.status <> 'replied';
  end if;
  return null;
end $$;

create trigger mark_draft_replied after insert on edges for each row
when (new.edge_type = 'reply_to' and new.target_type = 'event')
execute function mark_draft_replied();
