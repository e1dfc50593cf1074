-- Failed attempts to authenticate, of an account or of a caller. The id is a keyed hash of either, so that
-- the table says of nobody that he has tried; an account need not exist. failures counts attempts that are
-- being judged as well. Until retry_time attempts are refused; at expire_time the row counts no more, and
-- the service deletes it in passing.
create table if not exists login_attempts (
  id uuid not null,
  failures int4 not null,
  retry_time timestamptz not null,
  expire_time timestamptz not null,
  constraint login_attempts_pkey primary key (id)
);

create index if not exists login_attempts_expire_time_idx on login_attempts (expire_time);
