-- One index for each order in which lists are read, ending in (create_time desc, id desc) so that a page
-- needs no sort. Orders of one user in one status are read from the user's index: a second one would cost
-- every order a write.
create index if not exists users_create_time_idx on users (create_time desc, id desc);

create index if not exists products_create_time_idx on products (create_time desc, id desc);

create index if not exists orders_create_time_idx on orders (create_time desc, id desc);

create index if not exists orders_status_create_time_idx on orders (status, create_time desc, id desc);

create index if not exists orders_user_id_create_time_idx on orders (user_id, create_time desc, id desc);
