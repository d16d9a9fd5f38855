-- What a fee's bands may be: [[above, flat, bps], …] of whole numbers, ascending from above zero, no part more than the amount.
CREATE FUNCTION transactions_bands_sane(bands jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(bands) = 'array' AND jsonb_array_length(bands) BETWEEN 1 AND 50 AND coalesce((
        SELECT bool_and(coalesce(
            jsonb_typeof(band) = 'array' AND jsonb_array_length(band) = 3
            AND band ->> 0 ~ '^[1-9][0-9]{0,15}$' AND band ->> 1 ~ '^(0|[1-9][0-9]{0,15})$' AND band ->> 2 ~ '^(0|[1-9][0-9]{0,4})$'
            AND jsonb_typeof(band -> 0) = 'number' AND jsonb_typeof(band -> 1) = 'number' AND jsonb_typeof(band -> 2) = 'number'
            AND (band ->> 2)::int <= 10000
            AND (n = 1 OR (band ->> 0)::bigint > (bands -> (n - 2)::int ->> 0)::bigint), false))
        FROM jsonb_array_elements(bands) WITH ORDINALITY AS one (band, n)), false)
$$;
ALTER TABLE transactions_feerule
    ADD CONSTRAINT fee_rule_bands CHECK ((bands IS NULL) = (bands_are IS NULL) AND (bands IS NULL OR transactions_bands_sane(bands))
        AND (bands_are IS NULL OR bands_are IN ('whole', 'marginal'))),
    -- Least and most are whole steps, so that it is the same whether they count before rounding or after.
    ADD CONSTRAINT fee_rule_rounding CHECK ((round_to IS NULL OR round_to > 0)
        AND (rounding IS NULL OR rounding IN ('half_up', 'up', 'down'))
        AND coalesce(least, 0) % coalesce(round_to, 1) = 0 AND coalesce(most, 0) % coalesce(round_to, 1) = 0);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions_feewaiver
    FOR EACH STATEMENT EXECUTE FUNCTION tekana_refuse_change();
