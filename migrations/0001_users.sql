-- Who may place orders. The unique constraint is also the index that finds a user by email.
create table if not exists users (
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text not null,
  fingerprint uuid not null,
  version int8 not null default 1,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint users_pkey primary key (id),
  constraint users_email_key unique (email)
);

-- One row for each change of a user after its creation, keyed by the id derived from the call that made it: a
-- repeated call finds its own row. No foreign key: the row of a deletion outlives the user.
create table if not exists user_changes (
  id uuid not null,
  user_id uuid not null,
  fingerprint uuid not null,
  create_time timestamptz not null default now(),
  constraint user_changes_pkey primary key (id)
);
