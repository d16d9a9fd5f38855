DELETE FROM customers_tierlimit;
DELETE FROM customers_country;
