-- A call that was refused leaves a mark under the id that the call itself would have written: a row with
-- `refusal`, until expire_time. Of a mark and the write no more than one can be there, since both insert into
-- the same unique index. Rows without `refusal` have happened, and stay.
--
-- A mark belongs to no row of another table, so that the foreign keys go. What they did the service does
-- itself: deleting a user deletes the events of the orders, and products are never deleted. A release before
-- this one leaves the events of the orders that it deletes behind, which nothing reads.
alter table order_events add column if not exists refusal jsonb;
alter table order_events add column if not exists expire_time timestamptz;
alter table order_events drop constraint if exists order_events_order_id_fkey;

alter table user_changes add column if not exists refusal jsonb;
alter table user_changes add column if not exists expire_time timestamptz;

alter table stock_movements add column if not exists refusal jsonb;
alter table stock_movements add column if not exists expire_time timestamptz;
alter table stock_movements drop constraint if exists stock_movements_product_id_fkey;

-- Of marks alone: what has happened costs nothing.
create index if not exists order_events_expire_time_idx on order_events (expire_time)
  where expire_time is not null;

create index if not exists user_changes_expire_time_idx on user_changes (expire_time)
  where expire_time is not null;

create index if not exists stock_movements_expire_time_idx on stock_movements (expire_time)
  where expire_time is not null;

-- The last attempt at each import: what an attempt before it sends has no effect any more. A row is deleted
-- at expire_time, when no attempt can be under way.
create table if not exists imports (
  id uuid not null,
  attempt_id uuid not null,
  expire_time timestamptz not null,
  constraint imports_pkey primary key (id)
);

create index if not exists imports_expire_time_idx on imports (expire_time);
