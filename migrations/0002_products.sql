-- What can be ordered. That an adjustment stays below 10^12 is checked by its statement: what a cancelled
-- order returns is never refused.
create table if not exists products (
  id uuid not null,
  name text not null,
  on_hand int8 not null,
  fingerprint uuid not null,
  version int8 not null default 1,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint products_pkey primary key (id),
  constraint products_on_hand_check check (on_hand >= 0)
);

-- Changes of stock that no order made, the initial stock included, keyed by the id derived from the call.
create table if not exists stock_movements (
  id uuid not null,
  product_id uuid not null,
  delta int8 not null,
  fingerprint uuid not null,
  create_time timestamptz not null default now(),
  constraint stock_movements_pkey primary key (id),
  constraint stock_movements_product_id_fkey foreign key (product_id) references products (id)
);

create index if not exists stock_movements_product_id_idx
  on stock_movements (product_id, create_time desc, id desc);
