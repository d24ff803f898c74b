-- What every database holds. make_cases.py computes expected responses from the same formulas.
-- mix(x) = (x * 2654435761) mod 2^32 (Knuth's multiplicative hash).

CREATE FUNCTION mix(x bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    'SELECT (x * 2654435761) % 4294967296';

CREATE TABLE world (
    id int PRIMARY KEY,
    random_number int NOT NULL,
    last int NOT NULL DEFAULT 0
);
INSERT INTO world (id, random_number)
    SELECT id, mix(id) % 10000 + 1 FROM generate_series(1, 10000) AS id;

CREATE TABLE items (
    id int PRIMARY KEY,
    name text NOT NULL,
    price_cents int NOT NULL,
    quantity int NOT NULL
);
INSERT INTO items
    SELECT id, 'item ' || id, mix(id * 7) % 100000 + 1, mix(id * 13) % 100 + 1
    FROM generate_series(1, 100000) AS id;
CREATE INDEX items_price ON items (price_cents, id);

-- Its rows are the lines of fortunes.txt.
CREATE TABLE fortune (
    id int PRIMARY KEY,
    message text NOT NULL
);
