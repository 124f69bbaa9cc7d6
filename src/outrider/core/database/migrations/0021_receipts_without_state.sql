-- Receipts that move no state (opened, clicked, complained, unsubscribed) wait for their message like all others.
alter table parked_receipts alter column state drop not null;
