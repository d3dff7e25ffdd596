-- The tables that this platform's SQL reads.
CREATE TABLE parcels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size text NOT NULL CHECK (size IN ('small', 'large')),
    status text NOT NULL CHECK (status IN ('waiting', 'travelling', 'delivered', 'lost')),
    depot text NOT NULL,
    fragile boolean NOT NULL DEFAULT false,
    weight_kg numeric,
    declared_value numeric,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE TABLE claims (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason text NOT NULL CHECK (reason IN ('lost', 'damaged', 'late')),
    amount numeric NOT NULL,
    filed_at timestamptz NOT NULL DEFAULT now()
);
CREATE SCHEMA books;
CREATE TABLE books.invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    amount numeric NOT NULL,
    paid boolean NOT NULL DEFAULT false,
    issued_at timestamptz NOT NULL DEFAULT now()
);
