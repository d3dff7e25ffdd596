-- A small Fire22 whose numbers were worked out by hand: test_fire22_sql.py says what they are.
-- It runs where now() is 2026-03-10 15:00 UTC, so "today" began 15 hours ago. Rows stand just inside and just
-- outside of what is counted.

INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 6) AS n;

INSERT INTO satisfaction_surveys (domain, customer_id, score, answered_at) VALUES
    ('collections',   1,  80, now() - interval '29 days 23 hours 59 minutes'),
    ('collections',   2, 100, now()),
    ('distributions', 1,  95, now() - interval '29 days 23 hours 59 minutes'),
    ('free_play',     1,   1, now()),                            -- nobody asks for it
    ('balance',       1,  97, now() - interval '29 days 23 hours 59 minutes'),
    ('balance',       2,  98, now()),
    ('adjustment',    1,  92, now() - interval '29 days 23 hours 59 minutes');
INSERT INTO satisfaction_surveys (domain, customer_id, score, answered_at)  -- too old
    SELECT domain, 3, 0, now() - interval '30 days 1 minute'
    FROM unnest(ARRAY['collections', 'distributions', 'balance', 'adjustment']) AS domain;

INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at) VALUES
    (1, 10, 'high',   'pending',    now() - interval '25 hours', now() + interval '1 day',  NULL),  -- old, not due
    (1, 10, 'high',   'processing', now() - interval '30 hours', now() - interval '1 hour', NULL),  -- old and due
    (1, 10, 'high',   'pending',    now() - interval '23 hours', now() - interval '1 hour', NULL),  -- due, not old
    (1, 10, 'medium', 'pending',    now() - interval '48 hours', now() + interval '1 hour', NULL),  -- old, not high
    (1, 10, 'medium', 'pending',    now() - interval '1 hour',   now() - interval '1 minute', NULL),
    -- completed before the last 24 hours, late: neither overdue nor counted
    (1, 10, 'high', 'completed', now() - interval '40 hours', now() - interval '50 hours', now() - interval '24 hours 1 minute'),
    -- 20 minutes, today
    (1, 10, 'low', 'completed', now() - interval '14 hours 20 minutes', now(), now() - interval '14 hours'),
    -- 30 minutes exactly, yesterday, late
    (1, 10, 'low', 'completed', now() - interval '24 hours 29 minutes', now() - interval '24 hours', now() - interval '23 hours 59 minutes'),
    -- 60 minutes, today
    (1, 10, 'low', 'completed', now() - interval '3 hours', now() - interval '1 hour', now() - interval '2 hours'),
    (1, 10, 'medium', 'failed', now() - interval '25 hours', now(), now() - interval '23 hours 59 minutes'),
    (1, 10, 'high', 'failed', now() - interval '25 hours', now(), now() - interval '24 hours 1 minute');

INSERT INTO payments (settlement_id, customer_id, amount, payment_status, created_at, updated_at) VALUES
    (1, 1, 1000.01, 'failed',    now() - interval '3 days', now() - interval '59 minutes'),  -- counts
    (1, 1, 1000.00, 'failed',    now() - interval '3 days', now()),
    (1, 1, 5000.00, 'failed',    now() - interval '3 days', now() - interval '61 minutes'),
    (1, 1, 9000.00, 'completed', now() - interval '3 days', now()),
    (1, 1, 2000.00, 'failed',    now() - interval '1 hour', now() - interval '1 minute');    -- counts

INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at) VALUES
    ('a',   100.00, 'wire_transfer', 'pending',    now() - interval '3 hours', now() + interval '1 hour', now()),
    ('a',    50.50, 'paypal',        'pending',    now() - interval '3 hours', now() - interval '1 hour', now()),
    ('a',  1000.00, 'paypal',        'processing', now() - interval '3 hours', now(), now()),
    -- paid after 4 hours exactly, on time
    ('a',  1000.00, 'wire_transfer', 'paid', now() - interval '5 hours',  now() - interval '30 minutes', now() - interval '1 hour'),
    -- after 18 hours, late
    ('a',  2000.00, 'wire_transfer', 'paid', now() - interval '20 hours', now() - interval '3 hours', now() - interval '2 hours'),
    -- after 2 hours, on time
    ('a',  3000.00, 'paypal',        'paid', now() - interval '25 hours 59 minutes', now(), now() - interval '23 hours 59 minutes'),
    ('a',  4000.00, 'paypal',        'paid', now() - interval '26 hours', now(), now() - interval '24 hours 1 minute'),
    ('a',   500.00, 'bank_transfer', 'paid', now() - interval '32 days',  now(), now() - interval '29 days 23 hours 59 minutes'),
    ('a',  5000.00, 'bank_transfer', 'paid', now() - interval '32 days',  now(), now() - interval '30 days 1 minute'),
    -- after a minute, on time
    ('a', 80000.00, 'wire_transfer', 'paid', now() - interval '41 minutes', now(), now() - interval '40 minutes'),
    ('a', 60000.00, 'wire_transfer', 'failed', now() - interval '2 days', now(), now() - interval '59 minutes'),
    ('a', 50000.00, 'paypal',        'failed', now() - interval '2 days', now(), now() - interval '10 minutes'),
    ('a', 70000.00, 'paypal',        'failed', now() - interval '2 days', now(), now() - interval '61 minutes');

INSERT INTO revenue_days (day, expected, recorded) VALUES
    ('2026-03-10', 10000, 9000),
    ('2026-03-09', 30000, 33000),
    ('2026-03-04', 20000, 25000.50),     -- the first of the last 7 days
    ('2026-03-03', 50000, 80000),
    ('2026-02-09', 10000, 10000),        -- the first of the last 30 days
    ('2026-02-08', 77777, 77777);

INSERT INTO campaigns
    (name, status, allocated_budget, spend, impressions, clicks, participants, conversions, order_value) VALUES
    ('spring', 'active',  1000, 1100.00, 1000, 100,   50,   10,   1100),  -- 110% exactly
    ('summer', 'active',  1000, 1100.01,  500,  50,  150,   40,    900),
    ('autumn', 'planned',  500,       0,    0,   0,    0,    0,      0),
    ('winter', 'ended',    100, 9999.00, 9000, 900, 1000, 1000, 100000);

INSERT INTO bonuses (customer_id, bonus_type, amount, status, issued_at, closed_at) VALUES
    (1, 'welcome_bonus', 100, 'redeemed', now() - interval '1 day',   now()),
    (1, 'welcome_bonus', 100, 'redeemed', now() - interval '1 day',   now()),
    (1, 'free_bet',       50, 'expired',  now() - interval '10 days', now()),
    (5, 'free_bet',       60, 'issued',   now() - interval '1 day',   NULL),
    (2, 'welcome_bonus',  40, 'issued',   now() - interval '2 days',  NULL),
    (2, 'welcome_bonus', 200, 'issued',   now() - interval '2 days',  NULL),
    (3, 'deposit_match', 150, 'redeemed', now() - interval '29 days 23 hours 59 minutes', now()),
    (3, 'welcome_bonus', 100, 'issued',   now() - interval '3 days',  NULL),
    (4, 'deposit_match', 999, 'expired',  now() - interval '30 days 1 minute', now());  -- issued too long ago

INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, suspicious, redeemed_at) VALUES
    (1, 1, 1500, true,  true,  now() - interval '59 minutes'),   -- counts
    (1, 1, 1000, true,  true,  now() - interval '10 minutes'),
    (1, 1, 5000, true,  false, now() - interval '10 minutes'),
    (1, 1, 3000, true,  true,  now() - interval '61 minutes'),
    (1, 1,   10, false, false, now() - interval '23 hours 59 minutes'),
    (1, 1,   10, false, false, now() - interval '24 hours 1 minute');

INSERT INTO balances (customer_id, account_status, balance, ledger_balance, last_updated) VALUES
    (1, 'active',  1000, 1000,    now()),
    (2, 'active',   500, 1500.01, now()),      -- counts
    (3, 'active',   300, -700,    now()),      -- 1,000 exactly
    (4, 'dormant',  200,  200,    now()),
    (5, 'closed',    50, 5000,    now());      -- counts

INSERT INTO security_incidents (customer_id, kind, opened_at, closed_at) VALUES
    (1,    'password', now() - interval '9 days', NULL),
    (1,    'phishing', now() - interval '1 day',  NULL),
    (2,    'password', now() - interval '9 days', now()),
    (4,    'password', now() - interval '9 days', NULL),
    (NULL, 'scan',     now() - interval '9 days', NULL);

INSERT INTO transactions
    (customer_id, amount, transaction_status, fraud_score, pattern_anomaly, created_at, completed_at) VALUES
    (1,    100.00, 'completed', 0,    false, now() - interval '1 hour',  now() - interval '59 minutes 59 seconds'),
    -- 2 seconds exactly, yesterday
    (1, -60000.00, 'completed', 0,    false, now() - interval '16 hours', now() - interval '15 hours 59 minutes 58 seconds'),
    (2,   -600.00, 'pending',   0.9,  false, now() - interval '10 minutes', NULL),          -- fraud
    (2,    500.00, 'pending',   0.95, false, now() - interval '20 minutes', NULL),
    (2,    900.00, 'failed',    0.8,  false, now() - interval '30 minutes', NULL),
    -- large; 5 seconds
    (3, -50000.01, 'completed', 0,    false, now() - interval '119 minutes', now() - interval '118 minutes 55 seconds'),
    -- anomaly; 1 second
    (3,     20.00, 'completed', 0,    true,  now() - interval '1 hour',  now() - interval '59 minutes 59 seconds'),
    (3,     20.00, 'failed',    0,    true,  now() - interval '121 minutes', NULL),
    (1,     10.00, 'failed',    0,    false, now() - interval '23 hours 59 minutes', NULL),
    (1,     10.00, 'failed',    0,    false, now() - interval '24 hours 1 minute', NULL),
    -- created before the last 24 hours, completed in them after 7200 seconds
    (1,     10.00, 'completed', 0,    false, now() - interval '25 hours 59 minutes', now() - interval '23 hours 59 minutes'),
    (1,     10.00, 'completed', 0,    false, now() - interval '25 hours', now() - interval '24 hours 1 minute');

INSERT INTO adjustments
    (customer_id, adjustment_type, priority, amount, requires_approval, status, customer_dispute, was_correct,
     created_at, decided_at, processed_at) VALUES
    -- high value (money out)
    (1, 'balance_adjustment', 'high', -10000.01, true, 'pending', false, NULL, now() - interval '30 hours', NULL, NULL),
    -- decided after 24 hours exactly; no longer open
    (1, 'bet_correction', 'high', 20000, true, 'rejected', false, false, now() - interval '7 days 23 hours 59 minutes', now() - interval '6 days 23 hours 59 minutes', NULL),
    (1, 'fee_reversal', 'medium', 20000, false, 'pending', false, NULL, now() - interval '2 hours', NULL, NULL),
    -- high value; decided after 20 hours
    (1, 'limit_adjustment', 'medium', 15000, true, 'approved', false, NULL, now() - interval '50 hours', now() - interval '30 hours', NULL),
    -- decided after 10 hours, processed today after 11
    (1, 'bonus_adjustment', 'low', 50, false, 'processed', false, true, now() - interval '20 hours', now() - interval '10 hours', now() - interval '9 hours'),
    -- decided after 24 hours and a minute, processed yesterday after 84
    (1, 'bonus_adjustment', 'low', 70, false, 'processed', false, false, now() - interval '107 hours 59 minutes', now() - interval '83 hours 58 minutes', now() - interval '23 hours 59 minutes'),
    (1, 'fee_reversal', 'low', 70, false, 'processed', false, false, now() - interval '9 days', now() - interval '7 days 1 minute', now() - interval '7 days'),
    -- disputed for long; decided after half an hour, processed today after 35 hours
    (1, 'bet_correction', 'medium', 5, false, 'processed', true, NULL, now() - interval '49 hours', now() - interval '48 hours 30 minutes', now() - interval '14 hours'),
    -- disputed, but younger than 48 hours; decided after an hour
    (1, 'bet_correction', 'medium', 5, false, 'processed', true, true, now() - interval '47 hours', now() - interval '46 hours', now() - interval '24 hours 1 minute'),
    -- decided after an hour
    (1, 'balance_adjustment', 'low', 10, false, 'rejected', false, true, now() - interval '5 hours', now() - interval '4 hours', NULL);
