-- Fire22's operational database, as the monitoring finds it (PostgreSQL 13+).
-- The monitoring only ever reads it, with a role of its own (see the end).
-- All money is US dollars; all times are timestamptz. What its words mean: ../README.md.

CREATE TABLE customers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        NOT NULL,
    tier        text        NOT NULL DEFAULT 'standard' CHECK (tier IN ('standard', 'silver', 'gold', 'vip')),
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- What customers answered when asked; one scale for every domain.
CREATE TABLE satisfaction_surveys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain       text        NOT NULL CHECK (domain IN ('collections', 'distributions', 'free_play', 'balance', 'adjustment')),
    customer_id  bigint      NOT NULL REFERENCES customers (id),
    score        smallint    NOT NULL CHECK (score BETWEEN 0 AND 100),
    answered_at  timestamptz NOT NULL DEFAULT now()
);

-- Collections ---------------------------------------------------------------
CREATE TABLE settlements (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint         NOT NULL REFERENCES customers (id),
    amount        numeric(14, 2) NOT NULL CHECK (amount > 0),
    priority      text           NOT NULL CHECK (priority IN ('high', 'medium', 'low')),
    status        text           NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    created_at    timestamptz    NOT NULL DEFAULT now(),
    due_date      timestamptz    NOT NULL,
    completed_at  timestamptz                                  -- set when status becomes completed or failed
);

CREATE TABLE payments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    settlement_id   bigint         NOT NULL REFERENCES settlements (id),
    customer_id     bigint         NOT NULL REFERENCES customers (id),
    amount          numeric(14, 2) NOT NULL CHECK (amount > 0),
    payment_status  text           NOT NULL DEFAULT 'pending' CHECK (payment_status IN ('pending', 'completed', 'failed')),
    created_at      timestamptz    NOT NULL DEFAULT now(),
    updated_at      timestamptz    NOT NULL DEFAULT now()     -- when payment_status last changed
);

-- Distributions -------------------------------------------------------------
CREATE TABLE distributions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient     text           NOT NULL,
    amount        numeric(14, 2) NOT NULL CHECK (amount > 0),
    method        text           NOT NULL CHECK (method IN ('wire_transfer', 'paypal', 'bank_transfer')),
    status        text           NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'paid', 'failed')),
    created_at    timestamptz    NOT NULL DEFAULT now(),
    due_at        timestamptz    NOT NULL,
    updated_at    timestamptz    NOT NULL DEFAULT now()        -- when status last changed; for paid, when it was paid
);

CREATE TABLE revenue_days (
    day       date PRIMARY KEY,
    expected  numeric(16, 2) NOT NULL,                         -- what the billing system says was earned
    recorded  numeric(16, 2) NOT NULL                          -- what the ledger says was earned
);

-- Free play -----------------------------------------------------------------
CREATE TABLE campaigns (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text           NOT NULL UNIQUE,
    status            text           NOT NULL DEFAULT 'active' CHECK (status IN ('planned', 'active', 'ended')),
    allocated_budget  numeric(14, 2) NOT NULL CHECK (allocated_budget >= 0),
    spend             numeric(14, 2) NOT NULL DEFAULT 0,
    impressions       bigint         NOT NULL DEFAULT 0,
    clicks            bigint         NOT NULL DEFAULT 0,
    participants      bigint         NOT NULL DEFAULT 0,
    conversions       bigint         NOT NULL DEFAULT 0,
    order_value       numeric(14, 2) NOT NULL DEFAULT 0        -- total value of converted orders
);

CREATE TABLE bonuses (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint         NOT NULL REFERENCES customers (id),
    campaign_id   bigint         REFERENCES campaigns (id),
    bonus_type    text           NOT NULL CHECK (bonus_type IN ('welcome_bonus', 'deposit_match', 'free_bet')),
    amount        numeric(14, 2) NOT NULL CHECK (amount > 0),
    status        text           NOT NULL DEFAULT 'issued' CHECK (status IN ('issued', 'redeemed', 'expired')),
    issued_at     timestamptz    NOT NULL DEFAULT now(),
    closed_at     timestamptz                                  -- when redeemed or expired
);

CREATE TABLE redemptions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bonus_id     bigint         NOT NULL REFERENCES bonuses (id),
    customer_id  bigint         NOT NULL REFERENCES customers (id),
    amount       numeric(14, 2) NOT NULL,
    succeeded    boolean        NOT NULL,
    suspicious   boolean        NOT NULL DEFAULT false,        -- set by the abuse detector
    redeemed_at  timestamptz    NOT NULL DEFAULT now()
);

-- Balance -------------------------------------------------------------------
CREATE TABLE balances (                                        -- one row per customer, updated in place
    customer_id     bigint         NOT NULL REFERENCES customers (id),
    account_status  text           NOT NULL DEFAULT 'active' CHECK (account_status IN ('active', 'dormant', 'closed')),
    balance         numeric(16, 2) NOT NULL,
    ledger_balance  numeric(16, 2) NOT NULL,                   -- what the ledger adds up to; should equal balance
    last_updated    timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, last_updated)
) PARTITION BY RANGE (last_updated);
CREATE TABLE balances_default PARTITION OF balances DEFAULT;

CREATE TABLE transactions (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id         bigint         NOT NULL REFERENCES customers (id),
    amount              numeric(14, 2) NOT NULL,                -- signed: money out is negative
    transaction_status  text           NOT NULL DEFAULT 'pending' CHECK (transaction_status IN ('pending', 'completed', 'failed')),
    fraud_score         numeric(4, 3)  NOT NULL DEFAULT 0 CHECK (fraud_score BETWEEN 0 AND 1),
    pattern_anomaly     boolean        NOT NULL DEFAULT false,
    created_at          timestamptz    NOT NULL DEFAULT now(),
    completed_at        timestamptz
);

CREATE TABLE security_incidents (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id  bigint      REFERENCES customers (id),
    kind         text        NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz
);

-- Adjustment ----------------------------------------------------------------
CREATE TABLE adjustments (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id        bigint         NOT NULL REFERENCES customers (id),
    adjustment_type    text           NOT NULL CHECK (adjustment_type IN ('balance_adjustment', 'bet_correction', 'bonus_adjustment', 'fee_reversal', 'limit_adjustment')),
    priority           text           NOT NULL CHECK (priority IN ('high', 'medium', 'low')),
    amount             numeric(14, 2) NOT NULL,                 -- signed
    requires_approval  boolean        NOT NULL DEFAULT false,
    status             text           NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'processed')),
    customer_dispute   boolean        NOT NULL DEFAULT false,   -- false again once settled
    was_correct        boolean,                                -- filled in by the later audit
    created_at         timestamptz    NOT NULL DEFAULT now(),
    decided_at         timestamptz,
    processed_at       timestamptz
);

CREATE TABLE adjustment_audit (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    adjustment_id  bigint      NOT NULL REFERENCES adjustments (id),
    customer_id    bigint      NOT NULL REFERENCES customers (id),
    approver       text        NOT NULL,
    action         text        NOT NULL CHECK (action IN ('approved', 'rejected', 'escalated')),
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE adjustment_audit_default PARTITION OF adjustment_audit DEFAULT;

-- The role that monitoring connects with: it reads, and can do nothing else.
-- CREATE ROLE monitoring LOGIN;  GRANT pg_monitor TO monitoring;
-- GRANT USAGE ON SCHEMA public TO monitoring;  GRANT SELECT ON ALL TABLES IN SCHEMA public TO monitoring;
