-- What the services read and write: moments that are traded, and who owns them.
CREATE TABLE moments (
    id        bigint PRIMARY KEY,
    player    text NOT NULL,
    play      text NOT NULL,
    price_usd numeric(12, 2) NOT NULL
);
CREATE TABLE holdings (
    owner     bigint NOT NULL,
    moment_id bigint NOT NULL REFERENCES moments,
    PRIMARY KEY (owner, moment_id)
);
INSERT INTO moments SELECT id, 'player-' || id % 500, 'play-' || id % 40, 1 + id % 97 FROM generate_series(1, 20000) AS id;
INSERT INTO holdings SELECT id % 2000, id FROM generate_series(1, 20000) AS id;
ANALYZE;
