create table if not exists orders (
  id uuid not null,
  user_id uuid not null,
  status text not null,
  currency_code text not null,
  total decimal(19, 4) not null,
  item_count int4 not null,
  reserves_stock bool not null,
  fingerprint uuid not null,
  version int8 not null default 1,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint orders_pkey primary key (id),
  constraint orders_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint orders_status_check
    check (status in ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
  constraint orders_total_check check (total >= 0)
);

-- The key begins with the order, so that the items of one order lie together and the foreign key needs no
-- index of its own. No foreign key to products: products are never deleted, the statement that inserts has
-- read them, and the check would lock the rows of popular products once more.
create table if not exists order_items (
  order_id uuid not null,
  id uuid not null,
  position int4 not null,
  product_id uuid not null,
  quantity int4 not null,
  unit_price decimal(19, 4) not null,
  constraint order_items_pkey primary key (order_id, id),
  constraint order_items_order_id_fkey foreign key (order_id) references orders (id) on delete cascade,
  constraint order_items_quantity_check check (quantity > 0),
  constraint order_items_unit_price_check check (unit_price >= 0)
);

-- One row for each version of an order. A status change is found again by its idempotency key; the creation
-- needs none, because the order's own id is derived from the call.
create table if not exists order_events (
  order_id uuid not null,
  version int8 not null,
  status text not null,
  idempotency_key uuid,
  fingerprint uuid,
  create_time timestamptz not null default now(),
  constraint order_events_pkey primary key (order_id, version),
  constraint order_events_order_id_fkey foreign key (order_id) references orders (id) on delete cascade
);

create unique index if not exists order_events_idempotency_key_key on order_events (idempotency_key)
  where idempotency_key is not null;
