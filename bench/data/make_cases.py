#!/usr/bin/env python3
"""Writes the files of cases beside it: requests and their right answers, one JSON object a line.

    python3 bench/data/make_cases.py           writes the files
    python3 bench/data/make_cases.py --check   exits 1 if a file is not what would be written

The files are in the repository, so nobody needs Python to measure. The answers are computed here
from CONTRACT.md alone: a third implementation beside the Rust and the Go one, so that a mistake
which those two share is noticed. Python's standard library only. Everything is drawn from
SplitMix64 with a fixed seed per file: the same bytes on every machine and every Python from 3.6.
"""

import html
import json
import math
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: make_cases.py [--check]")
    check_examples()
    stale = []
    for name, make in FILES.items():
        lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in make()]
        wanted = "".join(line + "\n" for line in lines).encode()
        path = FOLDER / name
        if not check:
            path.write_bytes(wanted)
        elif not path.exists() or path.read_bytes() != wanted:
            stale.append(name)
    if stale:
        sys.exit("not what make_cases.py writes (run it): " + ", ".join(stale))


class Random:
    """SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""

    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return z ^ (z >> 31)

    def between(self, low, high):
        """A whole number from low to high, both included. (The bias of the remainder is of no
        consequence here.)"""
        return low + self.next() % (high - low + 1)

    def one_in(self, n):
        return self.next() % n == 0

    def choice(self, items):
        return items[self.next() % len(items)]

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.between(0, i)
            items[i], items[j] = items[j], items[i]


def case(method, path, body, content_type, answer, answer_type):
    """A case, its keys in the order of the definitions; what is absent is left out."""
    case = {"method": method, "path": path}
    if body is not None:
        case["headers"] = {"Content-Type": content_type}
        case["body"] = body
    case["expect"] = {"status": 200, "content_type": answer_type, "body": answer}
    return case


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# /sum (CONTRACT.md, 4)


def make_sum():
    random = Random(1)
    kinds = [("GET", False)] * 128 + [("POST", False)] * 64 + [("POST", True)] * 64
    random.shuffle(kinds)
    return [sum_case(random, method, chunked) for method, chunked in kinds]


def sum_case(random, method, chunked):
    a, b, c = (integer_text(random) for _ in range(3))
    parameters = ["a=" + query_text(random, a), "b=" + query_text(random, b)]
    if random.one_in(8):
        parameters.append(random.choice(["page=2", "sort=", "q=1%2B1", "utm_source=news"]))
    if random.one_in(4):
        random.shuffle(parameters)
    path = "/sum?" + "&".join(parameters)
    body = c if method == "POST" else None
    answer = int(a) + int(b) + (int(c) if body is not None else 0)
    made = case(method, path, body, "text/plain", str(answer), "text/plain; charset=utf-8")
    if chunked:
        expect = made.pop("expect")
        made.update(chunked=True, expect=expect)
    return made


def integer_text(random):
    """An integer as the contract has it: an optional minus and 1 to 18 digits."""
    digits = str(random.next() % 10 ** random.between(1, 18))
    if random.one_in(16):
        digits = digits.zfill(random.between(len(digits), 18))
    return ("-" if random.one_in(3) else "") + digits


def query_text(random, text):
    """The text in a query: a minus need not be percent-encoded, but may be."""
    return text.replace("-", "%2D") if random.one_in(8) else text


# /items (CONTRACT.md, 4.1)

CATEGORIES = ["books", "games", "garden", "kitchen", "tools"]
TAGS = ["new", "sale", "heavy", "fragile"]


def make_items():
    random = Random(2)
    # Few of the long ones: they are half of all bytes.
    sizes = [1] * 30 + [10] * 30 + [50] * 3 + [200]
    random.shuffle(sizes)
    return [items_case(n, random.between(1, 1_000_000)) for n in sizes]


def items_case(n, m):
    answer = {"items": [item(i, m) for i in range(1, n + 1)], "count": n}
    return case("GET", f"/items/{n}?m={m}", None, None, compact(answer), "application/json")


def item(i, m):
    price = 100 + (i * 7919) % 9901
    quantity = 1 + (i * 31) % 10
    return {
        "id": i,
        "name": f"Item {i}",
        "category": CATEGORIES[(i - 1) % 5],
        "price": price,
        "quantity": quantity,
        "active": i % 3 != 0,
        "tags": [TAGS[i % 4], TAGS[(i // 4) % 4]],
        "rating": {"score": 1 + i % 5, "count": (i * 13) % 500},
        "total": price * quantity * m,
    }


# /cpu (CONTRACT.md, 4.3)


def make_cpu():
    random = Random(3)
    sizes = list(range(90, 111))
    random.shuffle(sizes)
    return [cpu_case(n) for n in sizes[:16]]


def cpu_case(n):
    answer = f"{spectral_norm(n):.9f}"
    return case("GET", f"/cpu?n={n}", None, None, answer, "text/plain; charset=utf-8")


def make_mixed():
    """Short requests, and one in a hundred that computes for about 50 ms."""
    hello = case("GET", "/hello", None, None, '{"message":"hello world"}', "application/json")
    return [hello] * 99 + [{**cpu_case(700), "untimed": True}]


def spectral_norm(n):
    a = [[1.0 / ((i + j) * (i + j + 1) // 2 + i + 1) for j in range(n)] for i in range(n)]
    transposed = [list(column) for column in zip(*a)]

    def times(matrix, vector):
        return [dot(row, vector) for row in matrix]

    u = [1.0] * n
    for _ in range(10):
        v = times(transposed, times(a, u))
        u = times(transposed, times(a, v))
    return math.sqrt(dot(u, v) / dot(v, v))


def dot(xs, ys):
    """A plain loop: `sum` adds with more precision from Python 3.12 on."""
    total = 0.0
    for x, y in zip(xs, ys):
        total += x * y
    return total


# /orders (CONTRACT.md, 4.2)
#
# Bodies are written by hand, not by a JSON library, so that they use all that JSON allows: escapes
# wherever a character may stand, also in keys, surrogate pairs, white space, numbers and nested
# values that are to be ignored. They keep clear of what the contract excludes: unpaired
# surrogates, keys given twice, keys that differ in case only, nesting deeper than 64.

# Two of them look the same and are not: ë as one character, and as e with a combining mark.
NAMES = [
    "Zoë \"Z\" Müller", "Zoe\u0308 \"Z\" Müller", "Ann O'Neil", "Łukasz Żółć", "Søren\tKjær",
    "Владимир Иванов", "Ελένη Παπαδοπούλου", "李小龍", "山田 太郎", "김민준", "محمد علي",
    "אברהם כהן", "अमिता शर्मा", "สมชาย ใจดี", "🦀 Ferris", "Gopher 🐹", "👩‍👩‍👧 Family",
    "C:\\Users\\new", "a/b\\/c", "line\nbreak", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "\u0001\u001f\u007f", "x",
]
COUNTRIES = ["DE", "GB", "PL", "DK", "GR", "CN", "JP", "KR", "EG", "IL", "IN", "TH", "US"]
ORDER_CATEGORIES = ["books", "games", "garden", "kitchen", "tools", "a", "abcdefghijklmnop"]
WORDS = [
    "fragile", "leave at the door", "größer", "дом", "東京", "naïve", "🎁", "a\\b", "\"quoted\"",
    "</script>", "tab\there", "𝄞 clef", "null", "[", "}", ",", "", "\u2028", "{\"id\":\"x\"}",
    "Please ring twice; the dog is friendly, the cat is not.",
    "Если никого нет дома, оставьте посылку у соседей на втором этаже.",
    "ご不在の場合は宅配ボックスに入れてください。",
]
NUMBERS = ["0", "-0", "42", "-17", "3.25", "-0.001", "1e3", "6.02E+23", "1E-7", "0.0e0",
           "12345678901234567890123456789"]
UNKNOWN_KEYS = ["note", "gift", "meta", "tracking", "history", "заметка", "extra field", "x-7", "é"]


def make_orders(seed, cases, least, most):
    random = Random(seed)
    return [orders_case(random, random.between(least, most)) for _ in range(cases)]


def orders_case(random, size):
    """A case whose body has about `size` bytes."""
    writer = Writer(random, random.choice([0, 0, 30, 12]))
    orders = []
    texts = []
    length = 2
    while length < size:
        orders.append(order(random, orders))
        texts.append(writer.value(orders[-1]))
        length += len(texts[-1].encode()) + 1
    body = "[" + ",".join(texts) + "]"
    # What counts is what the body says, as Python's own decoder reads it.
    answer = compact(orders_answer(json.loads(body, object_pairs_hook=covered)))
    return case("POST", "/orders", body, "application/json", answer, "application/json")


def covered(pairs):
    """The pairs as a dictionary. That the contract covers them is checked."""
    keys = {key.casefold() for key, _ in pairs}
    assert len(keys) == len(pairs), f"a key is given twice or in two cases: {pairs}"
    for text in [text for pair in pairs for text in pair if isinstance(text, str)]:
        text.encode()  # fails on an unpaired surrogate
    return dict(pairs)


def order(random, earlier):
    lines = [order_line(random) for _ in range(random.choice([1, 1, 2, 2, 3, 5]))]
    if earlier and random.one_in(6):
        # The same amount again: the order of `top5` is then decided by the id.
        lines = dict(random.choice(earlier))["lines"]
    fields = [
        ("id", order_id(random)),
        ("customer", table(random, [
            ("name", random.choice(NAMES)), ("country", random.choice(COUNTRIES)),
        ])),
        ("category", random.choice(ORDER_CATEGORIES)),
        ("lines", lines),
    ]
    paid = random.choice(["absent", None, True, True, True, False])
    if paid != "absent":
        fields.insert(random.between(0, len(fields)), ("paid", paid))
    return table(random, fields)


def order_id(random):
    characters = "ABCXYZabcxyz0123456789-"
    if random.one_in(4):
        return "".join(random.choice(characters) for _ in range(random.between(1, 32)))
    return f"o-{random.between(0, 99_999):05}"


def order_line(random):
    price = f"{random.next() % 10 ** random.between(1, 5)}.{random.between(0, 99):02}"
    if random.one_in(12):
        price = price.zfill(10)
    elif random.one_in(24):
        price = f"{random.between(1_000_000, 9_999_999)}.99"
    sku = random.choice(["B-", "G/", "Gartenstühle ", "書籍-", "🔧", "\"", "\\"])
    return table(random, [
        ("sku", sku + str(random.between(1, 9_999))),
        ("quantity", random.choice([1, 1, 2, 3, random.between(1, 1_000)])),
        ("price", price),
    ])


def table(random, fields):
    """The fields, at times in another order and with keys that are to be ignored."""
    fields = Table(fields)
    if random.one_in(4):
        random.shuffle(fields)
    keys = list(UNKNOWN_KEYS)
    random.shuffle(keys)
    for key in keys[: random.choice([0, 0, 0, 0, 1, 2])]:
        fields.insert(random.between(0, len(fields)), (key, ignored(random, 3)))
    return fields


def ignored(random, depth):
    """Some well-formed value."""
    kind = random.between(0, 9 if depth > 0 else 5)
    if kind <= 2:
        return random.choice(WORDS)
    if kind <= 4:
        return Number(random.choice(NUMBERS))
    if kind == 5:
        return random.choice([True, False, None])
    if kind <= 7:
        return [ignored(random, depth - 1) for _ in range(random.between(0, 3))]
    if kind == 8:
        keys = list(UNKNOWN_KEYS)
        random.shuffle(keys)
        return Table([(k, ignored(random, depth - 1)) for k in keys[: random.between(0, 3)]])
    nested = random.choice(WORDS)
    for _ in range(random.between(4, 20)):
        nested = [nested]
    return nested


def orders_answer(orders):
    amounts = []
    by_category = {}
    for order in orders:
        cents = 0
        for line in order["lines"]:
            euros, cent = line["price"].split(".")
            cents += line["quantity"] * (int(euros) * 100 + int(cent))
        amounts.append((order["id"], cents))
        category = order["category"]
        by_category[category] = by_category.get(category, 0) + cents
    # Sorting is stable: equal ids stay in order of arrival. Ids are ASCII, so their characters sort
    # as their bytes do.
    top = sorted(amounts, key=lambda amount: (-amount[1], amount[0]))[:5]
    return {
        "count": len(orders),
        "unpaid": sum(order.get("paid") is not True for order in orders),
        "customers": len({order["customer"]["name"] for order in orders}),
        "sum_cents": sum(cents for _, cents in amounts),
        "by_category": {category: by_category[category] for category in sorted(by_category)},
        "top5": [{"id": id, "cents": cents} for id, cents in top],
    }


class Table(list):
    """A JSON object: pairs of key and value, in order."""


class Number(str):
    """A JSON number as it is to be written."""


class Writer:
    """Writes values as JSON in all the ways JSON allows."""

    SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n",
             "\r": "\\r", "\t": "\\t"}

    def __init__(self, random, space):
        """White space stands at one in `space` places where it may; nowhere if that is 0."""
        self.random = random
        self.space = space

    def value(self, value):
        return self.gap() + self.token(value) + self.gap()

    def token(self, value):
        if isinstance(value, Number):
            return value
        if isinstance(value, str):
            # Most strings are written plainly, as programs write them.
            return self.string(value, self.random.choice([0] * 37 + [6, 2, 1]))
        if isinstance(value, Table):
            fields = (self.key(key) + ":" + self.value(field) for key, field in value)
            return "{" + ",".join(fields) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self.value(item) for item in value) + "]"
        # Whole numbers, true, false, null.
        return json.dumps(value)

    def key(self, key):
        escaped = 3 if self.random.one_in(60) else 0
        return self.gap() + self.string(key, escaped) + self.gap()

    def gap(self):
        if self.space and self.random.one_in(self.space):
            return self.random.choice([" ", " ", "  ", "\n", "\n  ", "\t", "\r\n"])
        return ""

    def string(self, text, escaped):
        """One in `escaped` characters is escaped without need; none if that is 0."""
        return '"' + "".join(self.character(c, escaped) for c in text) + '"'

    def character(self, c, escaped):
        needed = c in '"\\' or c < " "
        if not needed and not (escaped and self.random.one_in(escaped)):
            return c
        if c in self.SHORT and not self.random.one_in(4):
            return self.SHORT[c]
        units = c.encode("utf-16-be")
        pattern = self.random.choice(["\\u{:04x}", "\\u{:04X}"])
        pairs = [units[i : i + 2] for i in range(0, len(units), 2)]
        return "".join(pattern.format(int.from_bytes(pair, "big")) for pair in pairs)


def check_examples():
    """The examples of CONTRACT.md."""
    first = ('{"id":1,"name":"Item 1","category":"books","price":8019,"quantity":2,"active":true,'
             '"tags":["sale","new"],"rating":{"score":2,"count":13},"total":16038}')
    assert compact(item(1, 1)) == first
    body = ('[{"id":"o-00001","customer":{"name":"Zo\\u00eb \\"Z\\" Müller","country":"DE"},'
            '"category":"books","paid":true,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}]')
    answer = ('{"count":1,"unpaid":0,"customers":1,"sum_cents":3702,"by_category":{"books":3702},'
              '"top5":[{"id":"o-00001","cents":3702}]}')
    assert compact(orders_answer(json.loads(body))) == answer
    assert f"{spectral_norm(100):.9f}" == "1.274219991"


# Rows of a database (CONTRACT.md, 4.4). What is in its tables, seed.sql says.


def mix(x):
    return (x * 2654435761) % (1 << 32)


def world(i):
    return mix(i) % 10_000 + 1


def make_pg_one():
    random = Random(6)
    for _ in range(256):
        i = random.between(1, 10_000)
        yield json_case(f"/world/{i}", {"id": i, "random_number": world(i)})


def make_pg_many():
    random = Random(7)
    for _ in range(128):
        seed = random.between(0, 1_000_000_000)
        ids = distinct_ids(20, seed)
        rows = [{"id": i, "random_number": world(i)} for i in ids]
        yield json_case(f"/worlds?n=20&seed={seed}", rows)


def distinct_ids(n, seed):
    ids = []
    for i in range(n):
        row = mix(seed + i) % 10_000 + 1
        while row in ids:
            row = row % 10_000 + 1
        ids.append(row)
    return ids


def make_pg_page():
    """Pages of 20 in ranges that hold about 50 rows, and one in 16 of an empty range."""
    random = Random(8)
    items = sorted((mix(i * 7) % 100_000 + 1, i) for i in range(1, 100_001))
    for number in range(128):
        low = random.between(1, 99_900)
        high = low - 1 if number % 16 == 15 and low > 1 else low + 49
        page = [
            {
                "id": i,
                "name": f"item {i}",
                "price_cents": price,
                "quantity": mix(i * 13) % 100 + 1,
            }
            for price, i in items
            if low <= price <= high
        ][:20]
        path = f"/items-page?from={low}&to={high}&limit=20"
        yield json_case(path, {"items": page, "count": len(page)})


def make_pg_update():
    random = Random(9)
    for _ in range(256):
        i, add = random.between(1, 10_000), random.between(0, 1_000)
        answer = compact({"id": i, "last": world(i) + add})
        body = compact({"add": add})
        yield case("POST", f"/world/{i}", body, "application/json", answer, "application/json")


def make_fortunes():
    messages = (FOLDER / "fortunes.txt").read_text(encoding="utf-8").splitlines()
    rows = list(enumerate(messages, 1))
    rows.append((0, "Additional fortune added at request time."))
    rows.sort(key=lambda row: row[1].encode())
    page = "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
    page += "<tr><th>id</th><th>message</th></tr>"
    for number, message in rows:
        text = html.escape(message).replace("&#x27;", "&#39;")
        page += f"<tr><td>{number}</td><td>{text}</td></tr>"
    page += "</table></body></html>"
    yield case("GET", "/fortunes", None, None, page, "text/html; charset=utf-8")


def make_fan_out():
    """A third of the requests each make 1, 3 and 10 calls, of 1 to 5 ms."""
    random = Random(10)
    kinds = [(n, ms) for n in [1, 3, 10] for ms in [1, 2, 3, 4, 5]] * 4
    random.shuffle(kinds)
    for n, ms in kinds:
        seed = random.between(0, 1_000_000_000)
        nonces = [mix((seed * 31 + i) % (1 << 32)) for i in range(n)]
        answer = {"n": n, "sum": sum(nonces), "max": max(nonces)}
        made = json_case(f"/fanout?n={n}&ms={ms}&seed={seed}", answer)
        expect = made.pop("expect")
        made.update(upstream_calls=n, least_ms=ms, expect=expect)
        yield made


def make_gzip():
    """The requests of items that have long responses, which come compressed."""
    random = Random(11)
    for n in [10, 20, 50, 100] * 4:
        made = items_case(n, random.between(1, 1_000_000))
        made["headers"] = {"Accept-Encoding": "gzip"}
        expect = made.pop("expect")
        expect.update(chunked=True, gzip=True)
        made["expect"] = expect
        yield made


def generated(n, seed):
    """A generated body of CONTRACT.md, 4.5, of at most 16,384 bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    of = lambda j: alphabet[(mix(seed + j // 4) >> 8 * (j % 4)) % 64]
    return "".join(of(j) for j in range(n))


def make_entries():
    """An entry is stored and read again, and another one is not there."""
    value = generated(100, 1000 * 1)
    stored = compact({"id": 1, "bytes": 100})
    yield case("PUT", "/kv/1", value, "text/plain; charset=utf-8", stored, "application/json")
    yield case("GET", "/kv/1", None, None, value, "text/plain; charset=utf-8")
    missing = json_case("/kv/2147483647", {"error": "not found"})
    missing["expect"]["status"] = 404
    yield missing


def make_grpc_hello():
    random = Random(21)
    for _ in range(16):
        name = "".join(chr(ord("a") + random.between(0, 25)) for _ in range(random.between(1, 24)))
        yield grpc_case("Hello", [text(1, name)], [[text(1, "Hello, " + name + "!")]])


def make_grpc_items():
    yield grpc_case("Items", [number(1, 20)], [grpc_item(i) for i in range(1, 21)])


def grpc_item(i):
    fields = [number(1, i), text(2, "Item %d" % i), text(3, CATEGORIES[(i - 1) % len(CATEGORIES)])]
    fields += [number(4, 1 + i * 37 % 99), number(5, 1 + i * 31 % 10), number(6, int(i % 3 != 0))]
    return fields + [text(7, tag) for tag in (TAGS[i % len(TAGS)], TAGS[i // 4 % len(TAGS)])]


def grpc_case(call, message, answers):
    expect = {
        "status": 200,
        "content_type": "application/grpc",
        "body": "".join(framed(answer) for answer in answers),
        "chunked": True,
        "grpc_status": 0,
    }
    return {
        "method": "POST",
        "path": "/duet.v1.Shop/" + call,
        "headers": {"Content-Type": "application/grpc", "TE": "trailers"},
        "body": framed(message),
        "expect": expect,
    }


def framed(fields):
    """A message as gRPC sends it: whether it is compressed, its length, its bytes."""
    message = "".join(fields)
    return "\0\0\0\0" + octet(len(message)) + message


def number(field, value):
    """A number of a protobuf message. One of 0, which is the default, is left out."""
    return octet(field << 3) + octet(value) if value else ""


def text(field, value):
    """A text of a protobuf message."""
    return octet(field << 3 | 2) + octet(len(value)) + value


def octet(byte):
    """A byte, which is a varint too where it is below 128."""
    assert byte < 128, byte
    return chr(byte)


def json_case(path, answer):
    return case("GET", path, None, None, compact(answer), "application/json")


FILES = {
    "sum.jsonl": make_sum,
    "items.jsonl": make_items,
    "orders-2k.jsonl": lambda: make_orders(4, 64, 1_600, 2_000),
    "orders-64k.jsonl": lambda: make_orders(5, 12, 59_000, 63_000),
    "cpu.jsonl": make_cpu,
    "mixed.jsonl": make_mixed,
    "pg-one.jsonl": make_pg_one,
    "pg-many.jsonl": make_pg_many,
    "pg-page.jsonl": make_pg_page,
    "pg-update.jsonl": make_pg_update,
    "fortunes.jsonl": make_fortunes,
    "fan-out.jsonl": make_fan_out,
    "gzip.jsonl": make_gzip,
    "entries.jsonl": make_entries,
    "grpc-hello.jsonl": make_grpc_hello,
    "grpc-items.jsonl": make_grpc_items,
}

if __name__ == "__main__":
    main()
