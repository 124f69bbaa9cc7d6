-- What has to be asked whether something has come: one row for each connection of that kind. A poll is claimed by moving
-- its time beyond the longest that it may take, so that one process asks at a time, and one that ended in the middle is
-- followed by the next.
create table polls (
  application_id uuid not null,
  connection_id uuid primary key,
  due_at timestamptz not null default clock_timestamp(),
  claim uuid,
  -- how far it was read, in the words of its adapter
  cursor json,
  failures integer not null default 0,
  last_failure text
);
create index polls_due on polls (due_at);
