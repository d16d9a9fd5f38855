DROP TRIGGER append_only ON transactions_feewaiver;
ALTER TABLE transactions_feerule DROP CONSTRAINT fee_rule_rounding, DROP CONSTRAINT fee_rule_bands;
DROP FUNCTION transactions_bands_sane(jsonb);
