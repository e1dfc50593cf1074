-- The indexes of 0004_lists.postgres.sql. Those that begin with a time, or with one of five statuses and a
-- time, would send all writes to the range at their end; hash sharding spreads them. A page is read from
-- every bucket, so that there are eight and not the default of sixteen. The user's index is spread by the
-- user.
create index if not exists users_create_time_idx
  on users (create_time desc, id desc) using hash with (bucket_count = 8);

create index if not exists products_create_time_idx
  on products (create_time desc, id desc) using hash with (bucket_count = 8);

create index if not exists orders_create_time_idx
  on orders (create_time desc, id desc) using hash with (bucket_count = 8);

create index if not exists orders_status_create_time_idx
  on orders (status, create_time desc, id desc) using hash with (bucket_count = 8);

create index if not exists orders_user_id_create_time_idx on orders (user_id, create_time desc, id desc);
