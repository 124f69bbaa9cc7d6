-- Transactional messages as their submitters find them: by id, recipient or their own reference, over all applications
-- of an organisation. What else was submitted stands in the event.
create table submissions (
  organisation_id uuid not null,
  application_id uuid not null,
  id uuid not null,
  id_from_submitter text,
  recipient text not null,
  primary key (organisation_id, id)
) partition by range (id);
create index submissions_reference on submissions (organisation_id, id_from_submitter, id)
  where id_from_submitter is not null;
create index submissions_recipient on submissions (organisation_id, recipient, id);

select ensure_partitions(3);

-- A submitted message. With `failed_at` it was refused before there was anything to send: its state is final, and
-- nothing is queued for it.
create type append_submission as (
  item integer, organisation_id uuid, id uuid, id_from_submitter text, recipient text,
  connection_id uuid, platform_user_id uuid, failed_at timestamptz, error text);

-- The append for batches in which there are submissions. Names of parameters and answers as in `append_batch`.
create function append_batch_with_submissions(
  p_is_replay boolean,
  p_notify text,
  p_items append_item[],
  p_targets append_target[],
  p_identities append_identity[],
  p_type_applications uuid[],
  p_type_names text[],
  p_pattern_types text[],
  p_pattern_names text[],
  p_events append_event[],
  p_edges append_edge[],
  p_messages append_message[],
  p_receipts append_receipt[],
  p_outcomes append_outcome[],
  p_files append_file[],
  p_file_ends append_file_end[],
  p_parts append_part[],
  p_submissions append_submission[],
  out verdicts smallint[],
  out stored_ids uuid[],
  out previous_position bigint,
  out last_position bigint,
  out deliveries appended_delivery[]
) language plpgsql as $$
begin
  select b.verdicts, b.stored_ids, b.previous_position, b.last_position, b.deliveries
  into verdicts, stored_ids, previous_position, last_position, deliveries
  from append_batch_with_files(p_is_replay, p_notify, p_items, p_targets, p_identities, p_type_applications,
    p_type_names, p_pattern_types, p_pattern_names, p_events, p_edges, p_messages, p_receipts, p_outcomes, p_files,
    p_file_ends, p_parts) b;

  insert into submissions (organisation_id, application_id, id, id_from_submitter, recipient)
  select s.organisation_id, (p_items[s.item]).application_id, s.id, s.id_from_submitter, s.recipient
  from unnest(p_submissions) s where verdicts[s.item] = 0
  order by s.organisation_id, s.id
  on conflict do nothing;

  insert into messages (application_id, id, connection_id, platform_user_id, state, failed_at, error)
  select (p_items[s.item]).application_id, s.id, s.connection_id, s.platform_user_id, 2, s.failed_at, s.error::json
  from unnest(p_submissions) s where verdicts[s.item] = 0 and s.failed_at is not null
  on conflict do nothing;
end $$;
