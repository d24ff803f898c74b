// Command fasta writes three DNA sequences: one repeats a given piece, two are random.
//
// The random sequences are cut into blocks of lines. Each core makes every nth block, in order, and
// one goroutine writes the blocks of all the cores in turn. A linear congruential generator can be
// set forward by any number of steps, so that a core starts its block where the block before will
// end, and draw for four parts of the block at once, since each number waits for the one before.
// Symbols are found by a binary search without branches, which nobody could predict. The time goes
// into both in equal parts.
package main

import (
	"fmt"
	"io"
	"math"
	"runtime"

	"duet/go-server/programs/internal/cli"
)

const (
	columns      = 60
	blockSymbols = 1024 * columns

	// parts is into how many a block is cut, each with a whole number of lines.
	parts       = 4
	partSymbols = blockSymbols / parts
	partBytes   = partSymbols / columns * (columns + 1)
)

const alu = "GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACCTGAGGTCAGGAG" +
	"TTCGAGACCAGCCTGGCCAACATGGTGAAACCCCGTCTCTACTAAAAATACAAAAATTAGCCGGGCGTGGTGGCGCGCGCCTGTA" +
	"ATCCCAGCTACTCGGGAGGCTGAGGCAGGAGAATCGCTTGAACCCGGGAGGCGGAGGTTGCAGTGAGCCGAGATCGCGCCACTGC" +
	"ACTCCAGCCTGGGCGACAGAGCGAGACTCCGTCTCAAAAA"

// A choice is a symbol and how probable it is.
type choice struct {
	symbol      byte
	probability float64
}

var ambiguityCodes = newAlphabet(
	choice{'a', .27}, choice{'c', .12}, choice{'g', .12}, choice{'t', .27},
	choice{'B', .02}, choice{'D', .02}, choice{'H', .02}, choice{'K', .02}, choice{'M', .02},
	choice{'N', .02}, choice{'R', .02}, choice{'S', .02}, choice{'V', .02}, choice{'W', .02},
	choice{'Y', .02},
)

var homoSapiens = newAlphabet(
	choice{'a', .3029549426680}, choice{'c', .1979883004921},
	choice{'g', .1975473066391}, choice{'t', .3015094502008},
)

// An alphabet has its symbols in order, and for each the first random number that is too large for
// it: of no less value than the probability of that or an earlier symbol.
type alphabet struct {
	symbols [16]byte
	bounds  [16]random
}

func newAlphabet(choices ...choice) *alphabet {
	a := new(alphabet)
	cumulative := 0.
	for i := range a.bounds {
		a.bounds[i] = modulus
		if i < len(choices)-1 {
			cumulative += choices[i].probability
			a.bounds[i] = random(math.Ceil(cumulative * float64(modulus)))
		}
		a.symbols[i] = choices[min(i, len(choices)-1)].symbol
	}
	return a
}

// pick is the first symbol for which the random number is not too large.
func (a *alphabet) pick(r random) byte {
	i := 8 * r.atLeast(a.bounds[7])
	i += 4 * r.atLeast(a.bounds[(i+3)&15])
	i += 2 * r.atLeast(a.bounds[(i+1)&15])
	i += r.atLeast(a.bounds[i&15])
	return a.symbols[i&15]
}

func main() { cli.Main("fasta", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 0, 1_000_000_000)
	if err != nil {
		return err
	}
	const seed random = 42
	if err := writeRepeated(stdout, ">ONE Homo sapiens alu", alu, 2*n); err != nil {
		return err
	}
	err = writeRandom(stdout, ">TWO IUB ambiguity codes", ambiguityCodes, 3*n, seed)
	if err != nil {
		return err
	}
	return writeRandom(stdout, ">THREE Homo sapiens frequency", homoSapiens, 5*n, seed.after(3*n))
}

// writeRepeated writes a record of so many symbols, taken from the piece again and again.
func writeRepeated(out io.Writer, header, piece string, symbols int) error {
	if _, err := fmt.Fprintln(out, header); err != nil {
		return err
	}
	// After as many lines as the piece has symbols, it starts with the line again.
	period := len(piece) * columns
	var text []byte
	for i := range period {
		text = append(text, piece[i%len(piece)])
		if (i+1)%columns == 0 {
			text = append(text, '\n')
		}
	}
	for ; symbols >= period; symbols -= period {
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	text = text[:symbols+symbols/columns]
	if symbols%columns != 0 {
		text = append(text, '\n')
	}
	_, err := out.Write(text)
	return err
}

// writeRandom writes a record of so many symbols, for which it draws the numbers after seed.
func writeRandom(out io.Writer, header string, from *alphabet, symbols int, seed random) error {
	if _, err := fmt.Fprintln(out, header); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	cores := make([]chan []byte, runtime.GOMAXPROCS(0))
	for i := range cores {
		cores[i] = make(chan []byte)
		go makeBlocks(cores[i], done, from, symbols, seed, i*blockSymbols, len(cores)*blockSymbols)
	}
	for block := 0; block*blockSymbols < symbols; block++ {
		if _, err := out.Write(<-cores[block%len(cores)]); err != nil {
			return err
		}
	}
	return nil
}

// makeBlocks makes the block that starts with symbol first, then every one step symbols on. It
// fills one buffer while the other is being written.
func makeBlocks(
	blocks chan<- []byte, done <-chan struct{},
	from *alphabet, symbols int, seed random, first, step int,
) {
	var text, written []byte
	for ; first < symbols; first += step {
		text = appendRandom(text[:0], from, min(blockSymbols, symbols-first), seed.after(first))
		select {
		case blocks <- text:
			text, written = written, text
		case <-done:
			return
		}
	}
}

// appendRandom adds lines of so many symbols to text.
func appendRandom(text []byte, from *alphabet, symbols int, r random) []byte {
	if symbols == blockSymbols {
		start := len(text)
		text = append(text, make([]byte, parts*partBytes)...)
		fillBlock(text[start:], from, r)
		return text
	}
	for ; symbols > 0; symbols -= columns {
		for range min(columns, symbols) {
			r = r.next()
			text = append(text, from.pick(r))
		}
		text = append(text, '\n')
	}
	return text
}

// fillBlock writes the lines of a whole block, the next one of each of its four parts at a time.
func fillBlock(text []byte, from *alphabet, r random) {
	r0, r1, r2, r3 := r, r.after(partSymbols), r.after(2*partSymbols), r.after(3*partSymbols)
	for len(text) > 3*partBytes {
		line0 := text[0*partBytes:][:columns+1]
		line1 := text[1*partBytes:][:columns+1]
		line2 := text[2*partBytes:][:columns+1]
		line3 := text[3*partBytes:][:columns+1]
		for i := range columns {
			r0, r1, r2, r3 = r0.next(), r1.next(), r2.next(), r3.next()
			line0[i], line1[i] = from.pick(r0), from.pick(r1)
			line2[i], line3[i] = from.pick(r2), from.pick(r3)
		}
		line0[columns], line1[columns], line2[columns], line3[columns] = '\n', '\n', '\n', '\n'
		text = text[columns+1:]
	}
}

// random is the state of the generator that the benchmarks game prescribes.
type random uint64

const (
	multiplier random = 3877
	increment  random = 29573
	modulus    random = 139968
)

func (r random) next() random { return (r*multiplier + increment) % modulus }

// atLeast is 1 if r is bound or more, else 0.
func (r random) atLeast(bound random) random { return (bound - 1 - r) >> 63 }

// after is the state so many steps later. One step is r → a·r + c; twice as many steps are
// r → a·(a·r + c) + c.
func (r random) after(steps int) random {
	a, c := multiplier, increment
	for ; steps > 0; steps /= 2 {
		if steps%2 == 1 {
			r = (a*r + c) % modulus
		}
		a, c = a*a%modulus, (a*c+c)%modulus
	}
	return r
}
