-- Where the pilot opens, and what each KYC tier may do there. Limits are rows with a day they start on: a change is a new
-- row. Amounts are minor units; RWF and UGX have no decimals.
INSERT INTO customers_country (code, name, currency, timezone, is_open) VALUES
    ('KE', 'Kenya',        'KES', 'Africa/Nairobi',       true),
    ('RW', 'Rwanda',       'RWF', 'Africa/Kigali',        true),
    ('NG', 'Nigeria',      'NGN', 'Africa/Lagos',         true),
    ('ZA', 'South Africa', 'ZAR', 'Africa/Johannesburg',  true),
    ('GH', 'Ghana',        'GHS', 'Africa/Accra',         true),
    ('UG', 'Uganda',       'UGX', 'Africa/Kampala',       true),
    ('TZ', 'Tanzania',     'TZS', 'Africa/Dar_es_Salaam', true);

INSERT INTO customers_tierlimit
    (country_id, currency, tier, per_movement, per_day, per_month, balance, effective_from, source)
VALUES
    ('KE', 'KES', 0, 10000000, 13000000, 100000000, 30000000, '2024-01-01', 'Pilot decision: below the CBK ceiling until identity is verified'),
    ('KE', 'KES', 1, 15000000, 20000000, 200000000, 40000000, '2024-01-01', 'Pilot decision: below the CBK ceiling until fully verified'),
    ('KE', 'KES', 2, 25000000, 25000000, NULL,      50000000, '2024-01-01', 'CBK, August 2023: KES 250,000 a transaction, KES 500,000 in the wallet; the day as the transaction is our decision'),
    ('RW', 'RWF', 0, 1000000,  1500000,  10000000,  3000000,  '2024-01-01', 'Pilot decision, to be confirmed with BNR'),
    ('RW', 'RWF', 1, 2000000,  3000000,  20000000,  5000000,  '2024-01-01', 'Pilot decision, to be confirmed with BNR'),
    ('RW', 'RWF', 2, 5000000,  5000000,  NULL,      10000000, '2024-01-01', 'Pilot decision, to be confirmed with BNR');

-- Everywhere else, and for every other currency in those two countries: about 1,000 USD a day on tier 0, then 3,000 and
-- 10,000, at rounded rates of January 2024. Without these rows a wallet in another currency could do nothing.
INSERT INTO customers_tierlimit
    (country_id, currency, tier, per_movement, per_day, per_month, balance, effective_from, source)
SELECT NULL, currency, tier, thousand * times, thousand * times, thousand * times_a_month, thousand * times_kept,
       '2024-01-01', 'Pilot decision: about ' || times || ',000 USD a day, at rounded rates of January 2024'
FROM (VALUES
    ('KES', 13000000::bigint), ('RWF', 1500000), ('UGX', 3700000), ('TZS', 260000000), ('NGN', 150000000),
    ('GHS', 1200000), ('ZAR', 1800000), ('USD', 100000), ('EUR', 90000), ('GBP', 80000)
) AS worth_of_1000_usd (currency, thousand)
CROSS JOIN (VALUES (0, 1, 10, 3), (1, 3, 30, 10), (2, 10, NULL, 30)) AS tiers (tier, times, times_a_month, times_kept)
ORDER BY currency, tier;
