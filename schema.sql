-- The schema after all migrations, on PostgreSQL; generated from them by `npm run generate`.

create table users (
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text not null,
  fingerprint uuid not null,
  version bigint not null default 1,
  create_time timestamp with time zone not null default now(),
  update_time timestamp with time zone not null default now(),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_email_key UNIQUE (email)
);

CREATE INDEX users_create_time_idx ON users USING btree (create_time DESC, id DESC);

create table user_changes (
  id uuid not null,
  user_id uuid not null,
  fingerprint uuid not null,
  create_time timestamp with time zone not null default now(),
  refusal jsonb,
  expire_time timestamp with time zone,
  constraint user_changes_pkey PRIMARY KEY (id)
);

CREATE INDEX user_changes_expire_time_idx ON user_changes USING btree (expire_time) WHERE expire_time IS NOT NULL;

create table products (
  id uuid not null,
  name text not null,
  on_hand bigint not null,
  fingerprint uuid not null,
  version bigint not null default 1,
  create_time timestamp with time zone not null default now(),
  update_time timestamp with time zone not null default now(),
  constraint products_pkey PRIMARY KEY (id),
  constraint products_on_hand_check CHECK (on_hand >= 0)
);

CREATE INDEX products_create_time_idx ON products USING btree (create_time DESC, id DESC);

create table stock_movements (
  id uuid not null,
  product_id uuid not null,
  delta bigint not null,
  fingerprint uuid not null,
  create_time timestamp with time zone not null default now(),
  refusal jsonb,
  expire_time timestamp with time zone,
  constraint stock_movements_pkey PRIMARY KEY (id)
);

CREATE INDEX stock_movements_expire_time_idx ON stock_movements USING btree (expire_time) WHERE expire_time IS NOT NULL;

create table orders (
  id uuid not null,
  user_id uuid not null,
  status text not null,
  currency_code text not null,
  total numeric(19,4) not null,
  item_count integer not null,
  reserves_stock boolean not null,
  fingerprint uuid not null,
  version bigint not null default 1,
  create_time timestamp with time zone not null default now(),
  update_time timestamp with time zone not null default now(),
  constraint orders_pkey PRIMARY KEY (id),
  constraint orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  constraint orders_status_check CHECK (status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'shipped'::text, 'delivered'::text, 'cancelled'::text])),
  constraint orders_total_check CHECK (total >= 0::numeric)
);

CREATE INDEX orders_create_time_idx ON orders USING btree (create_time DESC, id DESC);
CREATE INDEX orders_status_create_time_idx ON orders USING btree (status, create_time DESC, id DESC);
CREATE INDEX orders_user_id_create_time_idx ON orders USING btree (user_id, create_time DESC, id DESC);

create table order_items (
  order_id uuid not null,
  id uuid not null,
  "position" integer not null,
  product_id uuid not null,
  quantity integer not null,
  unit_price numeric(19,4) not null,
  constraint order_items_pkey PRIMARY KEY (order_id, id),
  constraint order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id) ON DELETE CASCADE,
  constraint order_items_quantity_check CHECK (quantity > 0),
  constraint order_items_unit_price_check CHECK (unit_price >= 0::numeric)
);

create table order_events (
  order_id uuid not null,
  version bigint not null,
  status text not null,
  idempotency_key uuid,
  fingerprint uuid,
  create_time timestamp with time zone not null default now(),
  refusal jsonb,
  expire_time timestamp with time zone,
  constraint order_events_pkey PRIMARY KEY (order_id, version)
);

CREATE INDEX order_events_expire_time_idx ON order_events USING btree (expire_time) WHERE expire_time IS NOT NULL;
CREATE UNIQUE INDEX order_events_idempotency_key_key ON order_events USING btree (idempotency_key) WHERE idempotency_key IS NOT NULL;

create table secrets (
  name text not null,
  value text not null,
  constraint secrets_pkey PRIMARY KEY (name)
);

create table login_attempts (
  id uuid not null,
  failures integer not null,
  retry_time timestamp with time zone not null,
  expire_time timestamp with time zone not null,
  constraint login_attempts_pkey PRIMARY KEY (id)
);

CREATE INDEX login_attempts_expire_time_idx ON login_attempts USING btree (expire_time);

create table imports (
  id uuid not null,
  attempt_id uuid not null,
  expire_time timestamp with time zone not null,
  constraint imports_pkey PRIMARY KEY (id)
);

CREATE INDEX imports_expire_time_idx ON imports USING btree (expire_time);
