-- What all replicas of the service must agree on and nobody should have to configure: the key that signs page
-- tokens.
create table if not exists secrets (
  name text not null,
  value text not null,
  constraint secrets_pkey primary key (name)
);
