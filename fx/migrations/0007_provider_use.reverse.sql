DROP TRIGGER counted_alone ON fx_provideruse;
DROP FUNCTION fx_counted_alone();
DROP TRIGGER count_used ON fx_quoteuse;
DROP FUNCTION fx_count_used();
DROP TRIGGER count_promised ON fx_quote;
DROP FUNCTION fx_count_promised();
