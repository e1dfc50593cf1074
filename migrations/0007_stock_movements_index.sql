-- No statement has read the movements of a product from an index: each adjustment of stock paid for it.
drop index if exists stock_movements_product_id_idx;
