-- The table of 0006_login_attempts.postgres.sql. The database deletes what has expired by itself, in the
-- order of the primary key, so that there is no index on the time, whose end would be hot.
create table if not exists login_attempts (
  id uuid not null,
  failures int4 not null,
  retry_time timestamptz not null,
  expire_time timestamptz not null,
  constraint login_attempts_pkey primary key (id)
) with (ttl_expiration_expression = 'expire_time', ttl_job_cron = '@hourly');
