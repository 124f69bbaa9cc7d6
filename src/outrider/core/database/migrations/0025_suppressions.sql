-- To whom nothing is sent any more: by mail and SMS, for each application. A projection of the log, kept by a trigger:
-- it stands in the same commit as the fact, whichever way that came (the end of an attempt, a webhook, a receipt that
-- waited for its message), and `outrider verify` refolds it.
create table suppressions (
  application_id uuid not null,
  -- that of the fact that put the address here: its time is since when
  id uuid not null,
  channel text not null,
  -- in lower case: who wants no mail wants none, however his address is written
  address text not null,
  reason text not null check (reason in ('bounced', 'complained', 'unsubscribed', 'manual')),
  primary key (application_id, channel, address)
);
create unique index suppressions_by_id on suppressions (application_id, id);

-- What a fact says of the list: null for one that says nothing. Simulated messages say nothing.
create function suppression_of(p_application_id uuid, p_event_type text, p_origin_event_id uuid, p_payload json,
  out channel text, out address text, out reason text, out is_suppressed boolean)
stable language plpgsql as $$
begin
  if p_event_type in ('system.suppression.added', 'system.suppression.removed') then
    channel := p_payload ->> 'channel';
    address := lower(p_payload ->> 'address');
    reason := 'manual';
    is_suppressed := p_event_type = 'system.suppression.added';
    return;
  end if;
  -- what is told as an end of the first attempt has no `permanent`: there only an unknown mailbox is one for good
  reason := case
    when p_event_type = 'message.complained' then 'complained'
    when p_event_type = 'message.unsubscribed' then 'unsubscribed'
    when p_payload ->> 'permanent' = 'true' then 'bounced'
    when p_payload ->> 'permanent' is null and p_payload -> 'error' ->> 'code' = 'RECIPIENT_NOT_FOUND' then 'bounced'
    end;
  if reason is null or p_origin_event_id is null then
    return;
  end if;
  select c.channel, lower(p.external_id) into channel, address
  from messages m
  join platform_users p on p.application_id = p_application_id and p.id = m.platform_user_id
  join connections c on c.application_id = p_application_id and c.id = m.connection_id
  join events e on e.application_id = p_application_id and e.id = m.id
  where m.application_id = p_application_id and m.id = p_origin_event_id
    and c.channel in ('email', 'sms') and c.provider <> 'sandbox'
    and e.payload ->> 'sandbox' is distinct from 'true';
  is_suppressed := true;
end $$;

create function fold_suppression() returns trigger language plpgsql as $$
declare
  told record;
begin
  select * into told from suppression_of(new.application_id, new.event_type, new.origin_event_id, new.payload);
  if told.address is null or told.reason is null then
    return null;
  end if;
  if told.is_suppressed then
    -- what was told last holds
    insert into suppressions as s (application_id, id, channel, address, reason)
    values (new.application_id, new.id, told.channel, told.address, told.reason)
    on conflict (application_id, channel, address) do update
      set id = excluded.id, reason = excluded.reason;
  else
    delete from suppressions s
    where s.application_id = new.application_id and s.channel = told.channel and s.address = told.address;
  end if;
  return null;
end $$;

create trigger fold_suppression after insert on events for each row
when (new.event_type in ('message.failed', 'message.complained', 'message.unsubscribed', 'system.suppression.added',
  'system.suppression.removed'))
execute function fold_suppression();

-- The list as the log has it.
create view folded_suppressions as
select f.application_id, f.id, f.channel, f.address, f.reason from (
  select distinct on (e.application_id, t.channel, t.address)
    e.application_id, e.id, t.channel, t.address, t.reason, t.is_suppressed
  from events e
  cross join lateral suppression_of(e.application_id, e.event_type, e.origin_event_id, e.payload) t
  where e.event_type in ('message.failed', 'message.complained', 'message.unsubscribed', 'system.suppression.added',
      'system.suppression.removed')
    and t.address is not null and t.reason is not null
  order by e.application_id, t.channel, t.address, e.position desc
) f where f.is_suppressed;

insert into suppressions (application_id, id, channel, address, reason)
select application_id, id, channel, address, reason from folded_suppressions;
