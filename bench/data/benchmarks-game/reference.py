"""The ten programs of the benchmarks game once more: plain, slow, in Python's standard library.

    reference.py PROGRAM N [< FASTA]

A third opinion for tests: when a Rust and a Go program disagree, or agree on something odd, this
says what the problem's description says. It takes the shortest way from the description to the
answer, on one thread. The programs that read standard input ignore N.

CPython takes long for all but small N. PyPy needs seconds to four minutes for the sizes of the site,
and for fannkuch-redux, at 12, longer than anybody has waited.
"""

import itertools
import math
import re
import sys


def binary_trees(n):
    def build(depth):
        return (build(depth - 1), build(depth - 1)) if depth else (None, None)

    def check(tree):
        return 1 if tree[0] is None else 1 + check(tree[0]) + check(tree[1])

    deepest = max(6, n)
    yield f"stretch tree of depth {deepest + 1}\t check: {check(build(deepest + 1))}\n"
    long_lived = build(deepest)
    for depth in range(4, deepest + 1, 2):
        trees = 2 ** (deepest - depth + 4)
        total = sum(check(build(depth)) for _ in range(trees))
        yield f"{trees}\t trees of depth {depth}\t check: {total}\n"
    yield f"long lived tree of depth {deepest}\t check: {check(long_lived)}\n"


def permutations_in_order(n):
    """Rotates the first two until that repeats, then the first three once, and so on."""
    permutation, rotations = list(range(1, n + 1)), [0] * n
    while True:
        yield permutation
        for last in range(1, n):
            permutation.insert(last, permutation.pop(0))
            rotations[last] += 1
            if rotations[last] <= last:
                break
            rotations[last] = 0
        else:
            return


def fannkuch_redux(n):
    checksum = most = 0
    for index, permutation in enumerate(permutations_in_order(n)):
        elements, flips = list(permutation), 0
        while elements[0] != 1:
            first = elements[0]
            elements[:first] = reversed(elements[:first])
            flips += 1
        checksum += -flips if index % 2 else flips
        most = max(most, flips)
    yield f"{checksum}\nPfannkuchen({n}) = {most}\n"


ALU = (
    "GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACCTGAGGTCAGGAGTTCGAGACCAGCC"
    "TGGCCAACATGGTGAAACCCCGTCTCTACTAAAAATACAAAAATTAGCCGGGCGTGGTGGCGCGCGCCTGTAATCCCAGCTACTCGGGAG"
    "GCTGAGGCAGGAGAATCGCTTGAACCCGGGAGGCGGAGGTTGCAGTGAGCCGAGATCGCGCCACTGCACTCCAGCCTGGGCGACAGAGCG"
    "AGACTCCGTCTCAAAAA"
)
IUB = [("a", 0.27), ("c", 0.12), ("g", 0.12), ("t", 0.27)] + [(c, 0.02) for c in "BDHKMNRSVWY"]
HOMO_SAPIENS = [
    ("a", 0.3029549426680),
    ("c", 0.1979883004921),
    ("g", 0.1975473066391),
    ("t", 0.3015094502008),
]


def random_numbers(seed=42):
    while True:
        seed = (seed * 3877 + 29573) % 139968
        yield seed / 139968


def chosen(weights, numbers):
    sums = list(itertools.accumulate(weight for _, weight in weights))
    for number in numbers:
        yield next(letter for (letter, _), bound in zip(weights, sums) if number < bound)


def in_lines(letters):
    letters = iter(letters)
    while line := "".join(itertools.islice(letters, 60)):
        yield line + "\n"


def fasta(n):
    numbers = random_numbers()
    yield ">ONE Homo sapiens alu\n"
    yield from in_lines(itertools.islice(itertools.cycle(ALU), 2 * n))
    yield ">TWO IUB ambiguity codes\n"
    yield from in_lines(itertools.islice(chosen(IUB, numbers), 3 * n))
    yield ">THREE Homo sapiens frequency\n"
    yield from in_lines(itertools.islice(chosen(HOMO_SAPIENS, numbers), 5 * n))


def records():
    """Header and letters of every record of the FASTA text on standard input."""
    for record in sys.stdin.read().split(">")[1:]:
        header, *lines = record.split("\n")
        yield header, "".join(lines)


def k_nucleotide(_):
    dna = next(letters for header, letters in records() if header.startswith("THREE")).upper()

    def counts(k):
        table = {}
        for start in range(len(dna) - k + 1):
            key = dna[start : start + k]
            table[key] = table.get(key, 0) + 1
        return table

    for k in 1, 2:
        for key, count in sorted(counts(k).items(), key=lambda item: (-item[1], item[0])):
            yield f"{key} {100 * count / (len(dna) - k + 1):.3f}\n"
        yield "\n"
    for key in "GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT":
        yield f"{counts(len(key)).get(key, 0)}\t{key}\n"


def reverse_complement(_):
    complements = str.maketrans("ACGTUMRWSYKVHDBN", "TGCAAKYWSRMBDHVN")
    for header, letters in records():
        yield f">{header}\n"
        yield from in_lines(letters.upper().translate(complements)[::-1])


def regex_redux(_):
    text = sys.stdin.read()
    dna = re.sub(r">.*\n|\n", "", text)
    for pattern in (
        "agggtaaa|tttaccct",
        "[cgt]gggtaaa|tttaccc[acg]",
        "a[act]ggtaaa|tttacc[agt]t",
        "ag[act]gtaaa|tttac[agt]ct",
        "agg[act]taaa|ttta[agt]cct",
        "aggg[acg]aaa|ttt[cgt]ccct",
        "agggt[cgt]aa|tt[acg]accct",
        "agggta[cgt]a|t[acg]taccct",
        "agggtaa[cgt]|[acg]ttaccct",
    ):
        yield f"{pattern} {len(re.findall(pattern, dna))}\n"
    rewritten = dna
    for pattern, replacement in (
        (r"tHa[Nt]", "<4>"),
        (r"aND|caN|Ha[DS]|WaS", "<3>"),
        (r"a[NSt]|BY", "<2>"),
        (r"<[^>]*>", "|"),
        (r"\|[^|][^|]*\|", "-"),
    ):
        rewritten = re.sub(pattern, replacement, rewritten)
    yield f"\n{len(text)}\n{len(dna)}\n{len(rewritten)}\n"


def mandelbrot(n):
    def inside(x, y):
        cr, ci = 2 * x / n - 1.5, 2 * y / n - 1
        zr = zi = tr = ti = 0.0
        for _ in range(50):
            zi = 2 * zr * zi + ci
            zr = tr - ti + cr
            tr, ti = zr * zr, zi * zi
            if tr + ti > 4:
                return False
        return True

    yield f"P4\n{n} {n}\n".encode()
    for y in range(n):
        row = [x < n and inside(x, y) for x in range((n + 7) // 8 * 8)]
        yield bytes(
            sum(bit << (7 - i) for i, bit in enumerate(row[start : start + 8]))
            for start in range(0, len(row), 8)
        )


SUN_AND_PLANETS = [  # position, velocity per day, mass in masses of the Sun
    ((0, 0, 0), (0, 0, 0), 1),
    (
        (4.84143144246472090e00, -1.16032004402742839e00, -1.03622044471123109e-01),
        (1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05),
        9.54791938424326609e-04,
    ),
    (
        (8.34336671824457987e00, 4.12479856412430479e00, -4.03523417114321381e-01),
        (-2.76742510726411899e-03, 4.99852801234917238e-03, 2.30417297573763929e-05),
        2.85885980666130812e-04,
    ),
    (
        (1.28943695621391310e01, -1.51111514016986312e01, -2.23307578892655734e-01),
        (2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05),
        4.36624404335156298e-05,
    ),
    (
        (1.53796971148509165e01, -2.59193146099879641e01, 1.79258772950371181e-01),
        (2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05),
        5.15138902046611451e-05,
    ),
]


def n_body(n):
    solar_mass = 4 * math.pi**2
    places = [list(place) for place, _, _ in SUN_AND_PLANETS]
    speeds = [[v * 365.24 for v in velocity] for _, velocity, _ in SUN_AND_PLANETS]
    masses = [mass * solar_mass for _, _, mass in SUN_AND_PLANETS]
    pairs = list(itertools.combinations(range(len(masses)), 2))
    for axis in range(3):
        speeds[0][axis] = -sum(m * v[axis] for m, v in zip(masses, speeds)) / solar_mass

    def energy():
        moving = sum(m * sum(v * v for v in speed) / 2 for m, speed in zip(masses, speeds))
        bound = sum(masses[i] * masses[j] / math.dist(places[i], places[j]) for i, j in pairs)
        return moving - bound

    yield f"{energy():.9f}\n"
    for _ in range(n):
        for i, j in pairs:
            d = [a - b for a, b in zip(places[i], places[j])]
            squared = sum(x * x for x in d)
            magnitude = 0.01 / (squared * math.sqrt(squared))
            for axis in range(3):
                speeds[i][axis] -= d[axis] * masses[j] * magnitude
                speeds[j][axis] += d[axis] * masses[i] * magnitude
        for place, speed in zip(places, speeds):
            for axis in range(3):
                place[axis] += 0.01 * speed[axis]
    yield f"{energy():.9f}\n"


def spectral_norm(n):
    def element(i, j):
        return 1 / ((i + j) * (i + j + 1) // 2 + i + 1)

    def times_a(x):
        return [sum(element(i, j) * x[j] for j in range(n)) for i in range(n)]

    def times_a_transposed(x):
        return [sum(element(j, i) * x[j] for j in range(n)) for i in range(n)]

    u = [1.0] * n
    for _ in range(10):
        v = times_a_transposed(times_a(u))
        u = times_a_transposed(times_a(v))
    yield f"{math.sqrt(sum(a * b for a, b in zip(u, v)) / sum(b * b for b in v)):.9f}\n"


def pidigits(n):
    numerator, accumulator, denominator, digits, term = 1, 0, 1, "", 0
    while len(digits) < n:
        term += 1
        accumulator = (accumulator + 2 * numerator) * (2 * term + 1)
        denominator *= 2 * term + 1
        numerator *= term
        if numerator > accumulator:
            continue
        digit = (3 * numerator + accumulator) // denominator
        if digit == (4 * numerator + accumulator) // denominator:
            digits += str(digit)
            accumulator = 10 * (accumulator - denominator * digit)
            numerator *= 10
    for start in range(0, n, 10):
        line = digits[start : start + 10]
        yield f"{line:10}\t:{start + len(line)}\n"


PROGRAMS = {
    "binary-trees": binary_trees,
    "fannkuch-redux": fannkuch_redux,
    "fasta": fasta,
    "k-nucleotide": k_nucleotide,
    "mandelbrot": mandelbrot,
    "n-body": n_body,
    "pidigits": pidigits,
    "regex-redux": regex_redux,
    "reverse-complement": reverse_complement,
    "spectral-norm": spectral_norm,
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PROGRAMS or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    for part in PROGRAMS[sys.argv[1]](int(sys.argv[2])):
        sys.stdout.buffer.write(part if isinstance(part, bytes) else part.encode())
