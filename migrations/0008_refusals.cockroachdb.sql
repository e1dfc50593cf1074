-- The columns of 0008_refusals.postgres.sql. The database deletes the marks that have expired by itself: a
-- row whose expire_time is null stays. Once a day, because it reads the tables from end to end; a mark may
-- stay longer than it must, and no shorter.
alter table order_events add column if not exists refusal jsonb;
alter table order_events add column if not exists expire_time timestamptz;
alter table order_events drop constraint if exists order_events_order_id_fkey;
alter table order_events set (ttl_expiration_expression = 'expire_time', ttl_job_cron = '@daily');

alter table user_changes add column if not exists refusal jsonb;
alter table user_changes add column if not exists expire_time timestamptz;
alter table user_changes set (ttl_expiration_expression = 'expire_time', ttl_job_cron = '@daily');

alter table stock_movements add column if not exists refusal jsonb;
alter table stock_movements add column if not exists expire_time timestamptz;
alter table stock_movements drop constraint if exists stock_movements_product_id_fkey;
alter table stock_movements set (ttl_expiration_expression = 'expire_time', ttl_job_cron = '@daily');

create table if not exists imports (
  id uuid not null,
  attempt_id uuid not null,
  expire_time timestamptz not null,
  constraint imports_pkey primary key (id)
) with (ttl_expiration_expression = 'expire_time', ttl_job_cron = '@daily');
