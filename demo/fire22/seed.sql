-- Fire22 on an ordinary day, as of now(), in the numbers that its monitoring document shows; the schema must be empty.
-- Chance is drawn from random(), which the caller has set going, so that the same rows come out every time.
--
-- Customers 1 to 2400 and recipients "Affiliate …" are everybody's; the rows of the others belong to incidents
-- (2401 and on), or are what stays as it is (2500): the workload leaves them alone.

-- Compiling these statements takes longer than running them.
SET LOCAL jit TO off;

-- Today's numbers are complete from two o'clock UTC on and proportionally lower before; gone is how much of the day is
-- over.
CREATE TEMP TABLE clock_now ON COMMIT DROP AS
SELECT present, midnight, least(1, hours / 2) AS share, hours / 24 AS gone
FROM (SELECT now() AS present, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS midnight) AS today
CROSS JOIN LATERAL (SELECT extract(epoch FROM present - midnight)::float / 3600 AS hours) AS passed;

INSERT INTO customers (name, tier, created_at)
SELECT (string_to_array('Ada Alva Anders Anja Arvid Astrid Axel Birgit Bo Carl Clara Dag Disa Ebba Edvin Elin Elsa Emil'
         ' Erik Estrid Fredrik Frida Gunnar Gustav Hanna Hedda Henrik Hilda Ida Ingrid Isak Ivar Jakob Jon Karin Klara'
         ' Lars Lena Linnea Magnus Maja Nils Nora Olof Petra Rasmus Signe Sten Tove Ulf', ' '))[1 + n % 50] || ' ' ||
       (string_to_array('Ahl Alm Asp Backe Berg Björk Blom Boman Borg Brandt Dahl Dahlin Ek Eklund Falk Fors Frank'
         ' Frisk Gran Grip Hage Hammar Hed Hjort Holm Kling Lind Ljung Lund Löv Modig Moberg Norén Nyberg Palm Quist Rask Ros'
         ' Rydén Sand Sjö Skog Stark Strand Ström Sund Tall Vall Vik Åberg', ' '))[1 + n / 50],
       CASE WHEN n % 50 = 7 THEN 'vip' WHEN n % 10 = 3 THEN 'gold' WHEN n % 4 = 1 THEN 'silver' ELSE 'standard' END,
       present - (n + 1) * interval '6 hours'
FROM clock_now, generate_series(0, 2499) AS n ORDER BY n;

INSERT INTO satisfaction_surveys (domain, customer_id, score, answered_at)
SELECT domain, 1 + floor(random() * 2400)::int, lowest + floor(random() * (highest - lowest + 1))::int,
       present - n * interval '200 minutes'
FROM clock_now, generate_series(210, 1, -1) AS n,
     (VALUES ('collections', 84, 98), ('distributions', 93, 100), ('free_play', 80, 100), ('balance', 96, 100),
             ('adjustment', 89, 99)) AS asked (domain, lowest, highest);

-- Collections: 156 completed today, in 23 minutes on average; 47 wait, 12 are in processing, 3 are overdue.
INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
SELECT 1 + floor(random() * 2400)::int, round((20 + random() * 780)::numeric, 2),
       CASE WHEN n % 6 = 0 THEN 'high' WHEN n % 2 = 0 THEN 'low' ELSE 'medium' END, 'completed',
       completed_at - took, completed_at - took + CASE WHEN n % 33 = 0 THEN '12 minutes' ELSE '4 hours' END::interval,
       completed_at
FROM (
  SELECT completed_at, row_number() OVER (ORDER BY completed_at) AS n, random() AS slowness
  FROM (
    SELECT midnight - random() * (midnight - present + interval '24 hours') AS completed_at
    FROM clock_now, generate_series(1, (156 * (1 - gone))::int)
    UNION ALL
    SELECT midnight + random() * (present - midnight) FROM clock_now, generate_series(1, (156 * share)::int)
  ) AS ended
) AS finished
CROSS JOIN LATERAL (
  SELECT interval '1 minute' * CASE WHEN n % 20 = 0 THEN 45 + slowness * 10 ELSE 15 + slowness * 13.2 END AS took
) AS lasting
ORDER BY completed_at;

INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
SELECT 17, 310, 'medium', 'failed', present - interval '5 hours', present - interval '1 hour',
       present - interval '4 hours 40 minutes'
FROM clock_now;

INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date)
SELECT 1 + floor(random() * 2400)::int, round((20 + random() * 780)::numeric, 2), priority, status,
       created_at, created_at + interval '4 hours'
FROM clock_now,
     (VALUES ('high', 'pending', 8), ('medium', 'pending', 24), ('low', 'pending', 12), ('medium', 'processing', 12))
       AS open (priority, status, rows)
CROSS JOIN LATERAL (
  SELECT present - random() * interval '16 minutes' AS created_at FROM generate_series(1, rows)
) AS waiting
ORDER BY created_at;

INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date)
SELECT 2500, 240, CASE n WHEN 1 THEN 'medium' ELSE 'low' END, 'pending', present - interval '7 hours',
       present - n * interval '1 hour'
FROM clock_now, generate_series(1, 3) AS n;

INSERT INTO payments (settlement_id, customer_id, amount, payment_status, created_at, updated_at)
SELECT id, customer_id, amount, CASE status WHEN 'processing' THEN 'pending' ELSE status END, created_at,
       coalesce(completed_at, created_at)
FROM settlements WHERE status <> 'pending' ORDER BY id;

-- Distributions: $87,500 paid in 30 days, 95 payments a day in 2.3 hours on average; 30 wait, worth $12,500.
INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
SELECT 'Affiliate ' || 1 + floor(random() * 400)::int, round((10 + random() * 41.4)::numeric, 2),
       CASE WHEN n <= 45 THEN 'wire_transfer' WHEN n <= 77 THEN 'paypal' ELSE 'bank_transfer' END,
       CASE n WHEN 96 THEN 'failed' ELSE 'paid' END,
       paid_at - took, paid_at - took + interval '6 hours', paid_at
FROM (
  SELECT n, present - (ago + 0.01 + random() * 0.98) * interval '24 hours' AS paid_at,
         interval '1 hour' * CASE WHEN n % 20 = 0 THEN 7 + random() * 2 ELSE 0.5 + random() * 3.1 END AS took
  FROM clock_now, generate_series(0, 29) AS ago, generate_series(1, 96) AS n
) AS ended
ORDER BY paid_at;

INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
SELECT 'Affiliate ' || 1 + floor(random() * 400)::int, round((10 + random() * 41.4)::numeric, 2),
       (ARRAY['wire_transfer', 'paypal', 'bank_transfer'])[1 + n % 3],
       CASE WHEN n <= 28 THEN 'pending' ELSE 'processing' END, created_at, created_at + interval '6 hours', created_at
FROM (
  SELECT n, present - (0.5 + random() * 3) * interval '1 hour' AS created_at FROM clock_now, generate_series(1, 34) AS n
) AS asked
ORDER BY created_at;

INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
SELECT 'Syndicate 2500', 5820, 'wire_transfer', 'pending', present - interval '2 hours', present + interval '30 days',
       present - interval '2 hours'
FROM clock_now, generate_series(1, 2);

INSERT INTO revenue_days (day, expected, recorded)
SELECT (midnight AT TIME ZONE 'UTC')::date - ago, expected, expected - round((random() * 40)::numeric, 2)
FROM clock_now, generate_series(0, 44) AS ago
CROSS JOIN LATERAL (
  SELECT round((CASE ago WHEN 0 THEN 4166.67 * gone
                ELSE (125000 - 4166.67 * gone) / 29 * (0.96 + 0.08 * random()) END)::numeric, 2) AS expected
) AS earned;

-- Free play: 12 active campaigns; bonuses worth $250,000 in 30 days, 64% redeemed, 15% expired.
INSERT INTO campaigns (name, status, allocated_budget, spend, impressions, clicks, participants, conversions,
                       order_value)
SELECT name, CASE WHEN n <= 12 THEN 'active' WHEN n <= 14 THEN 'planned' ELSE 'ended' END, budget,
       CASE WHEN n IN (13, 14) THEN 0 ELSE budget * (0.55 + 0.015 * (n % 12)) END,
       CASE WHEN n IN (13, 14) THEN 0 ELSE 180000 + 9000 * n END,
       CASE WHEN n IN (13, 14) THEN 0 ELSE 5400 + 300 * n END,
       CASE WHEN n IN (13, 14) THEN 0 ELSE 1285 END, CASE WHEN n IN (13, 14) THEN 0 ELSE 302 END,
       CASE WHEN n IN (13, 14) THEN 0 ELSE 302 * 87.5 END
FROM unnest(ARRAY['Welcome week', 'Derby Saturday', 'Refer a friend', 'Midweek double', 'Live tennis', 'Sunday league',
                  'High rollers', 'Spin and win', 'Reload Friday', 'Golden hour', 'First deposit', 'Cup final',
                  'Summer games', 'Night owls', 'Spring opening', 'Easter hunt', 'Winter classics'])
       WITH ORDINALITY AS planned (name, n)
CROSS JOIN LATERAL (SELECT CASE n WHEN 7 THEN 48000 ELSE 30000 END AS budget) AS allowed ORDER BY n;

INSERT INTO bonuses (customer_id, campaign_id, bonus_type, amount, status, issued_at, closed_at)
SELECT 1 + n % 1348, 1 + n % 12, kind,
       CASE status WHEN 'redeemed' THEN 20 + floor(luck * 74) ELSE 30 + floor(luck * 87) END,
       status, issued_at,
       CASE WHEN status <> 'issued' THEN issued_at + random() * least(interval '3 days', present - issued_at) END
FROM (
  SELECT n, present, present - n * interval '640 seconds' AS issued_at, random() AS luck, kind,
         CASE WHEN fate < redeemed THEN 'redeemed'
              WHEN fate < redeemed + 0.15 THEN 'expired' ELSE 'issued' END AS status
  FROM (
    SELECT n, present, random() AS fate, (ARRAY['welcome_bonus', 'deposit_match', 'free_bet'])[1 + n % 3] AS kind,
           (ARRAY[0.675, 0.612, 0.64])[1 + n % 3] AS redeemed
    FROM clock_now, generate_series(4044, 1, -1) AS n
  ) AS drawn
) AS issued
ORDER BY n DESC;

INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, redeemed_at)
SELECT id, customer_id, amount, true, closed_at FROM bonuses WHERE status = 'redeemed' ORDER BY closed_at;
INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, redeemed_at)
SELECT first.id, first.customer_id, first.amount, false, present - n * interval '1 day' + interval '5 hours'
FROM clock_now, generate_series(1, 30) AS n,
     (SELECT * FROM bonuses WHERE status = 'issued' ORDER BY id LIMIT 1) AS first;

-- Balance: a tenth of the document's accounts, active ones with $667.50 on average; all of its transactions, 12 failed.
INSERT INTO balances (customer_id, account_status, balance, ledger_balance, last_updated)
SELECT id, status, amount, amount - CASE WHEN id % 100 = 50 THEN round((random() * 5)::numeric, 2) ELSE 0 END,
       present - random() * interval '3 days'
FROM clock_now, customers
CROSS JOIN LATERAL (SELECT CASE WHEN id % 4 = 0 AND id <= 2400 OR id % 4 = 1 AND id > 2400
                           THEN 'dormant' ELSE 'active' END AS status) AS used
CROSS JOIN LATERAL (SELECT round((CASE status WHEN 'active' THEN 667.5 * (0.2 + 1.6 * random())
                           ELSE 5 * random() END)::numeric, 2) AS amount) AS held
ORDER BY id;

INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, created_at, completed_at)
SELECT 1 + floor(random() * 2400)::int, round((sign * (5 + random() * 195))::numeric, 2),
       CASE WHEN failed THEN 'failed' ELSE 'completed' END, round((random() * random() * 0.4)::numeric, 3), created_at,
       CASE WHEN NOT failed THEN created_at + interval '1 second'
         * CASE WHEN n % 33 = 0 THEN 2.5 + random() * 4.5 ELSE 0.5 + random() * 1.2 END END
FROM (
  SELECT created_at, n, CASE WHEN n % 2 = 0 THEN 1 ELSE -1 END AS sign,
         n % (rows / 12) = 7 AND n <= rows / 12 * 12 AS failed
  FROM (
    SELECT created_at, row_number() OVER (ORDER BY created_at) AS n, count(*) OVER () AS rows
    FROM (
      SELECT midnight - random() * (midnight - present + interval '24 hours') AS created_at
      FROM clock_now, generate_series(1, (12500 * (1 - gone))::int)
      UNION ALL
      SELECT midnight + random() * (present - midnight) FROM clock_now, generate_series(1, (12500 * share)::int)
    ) AS asked
  ) AS numbered
) AS made
ORDER BY created_at;

INSERT INTO security_incidents (customer_id, kind, opened_at, closed_at)
SELECT n * 311, 'account takeover', present - n * interval '5 days',
       present - n * interval '5 days' + interval '90 minutes'
FROM clock_now, generate_series(1, 5) AS n;

-- Adjustment: 47 processed today, 4.2 hours on average; 94.2% of a week's approved; 23 wait.
INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, status, was_correct, created_at, decided_at,
                         processed_at)
SELECT 1 + floor(random() * 2400)::int, kind, (ARRAY['high', 'medium', 'medium', 'low'])[1 + n % 4],
       round(((random() - 0.5) * 800)::numeric, 2), CASE WHEN rejected THEN 'rejected' ELSE 'processed' END,
       n % 60 <> 13, ended_at - took, ended_at - interval '3 minutes', CASE WHEN NOT rejected THEN ended_at END
FROM (
  SELECT ended_at, kind, rejected, row_number() OVER (ORDER BY ended_at) AS n
  FROM (
    SELECT midnight + random() * (present - midnight) AS ended_at, kind, rejected
    FROM clock_now, (VALUES ('balance_adjustment', 12, false), ('bet_correction', 8, false),
                            ('bonus_adjustment', 15, false), ('fee_reversal', 7, false), ('limit_adjustment', 5, false),
                            ('bonus_adjustment', 3, true)) AS today (kind, rows, rejected),
         generate_series(1, round(rows * share)::int)
    UNION ALL
    SELECT midnight - random() * interval '6 days',
           (ARRAY['balance_adjustment', 'bet_correction', 'bonus_adjustment', 'fee_reversal',
                  'limit_adjustment'])[1 + n % 5],
           n % 17 = 0
    FROM clock_now, generate_series(1, 315) AS n
  ) AS decided
) AS numbered
CROSS JOIN LATERAL (
  SELECT interval '1 hour' * CASE WHEN n % 20 = 0 THEN 25 + random() ELSE 1 + random() * 4.1 END AS took
) AS lasting
ORDER BY ended_at;

INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, status, created_at, decided_at)
SELECT 1 + floor(random() * 2400)::int,
       (ARRAY['balance_adjustment', 'bet_correction', 'bonus_adjustment', 'fee_reversal',
              'limit_adjustment'])[1 + row % 5],
       priority, round(((random() - 0.5) * 800)::numeric, 2), status, created_at,
       CASE status WHEN 'approved' THEN present - interval '2 minutes' END
FROM clock_now,
     (VALUES ('high', 'pending', 5), ('medium', 'pending', 12), ('low', 'pending', 6), ('medium', 'approved', 4))
       AS open (priority, status, rows)
CROSS JOIN LATERAL (
  SELECT row, present - (1 + random() * 5) * interval '1 hour' AS created_at FROM generate_series(1, rows) AS row
) AS waiting
ORDER BY created_at;

INSERT INTO adjustment_audit (adjustment_id, customer_id, approver, action, at)
SELECT id, customer_id, (ARRAY['lena', 'mats'])[1 + id % 2],
       CASE status WHEN 'rejected' THEN 'rejected' ELSE 'approved' END,
       decided_at
FROM adjustments WHERE decided_at IS NOT NULL ORDER BY decided_at;

ANALYZE;
