// Command fasta writes three DNA sequences: one repeats a given piece, two are random.
//
// The random sequences are cut into blocks of lines. Each core makes every nth block, in order, and
// one goroutine writes the blocks of all the cores in turn. A linear congruential generator can be
// set forward by any number of steps, so that a core starts its block where the block before will
// end. The time goes into finding the symbol for each random number, whose branches nobody can
// predict.
package main

import (
	"fmt"
	"io"
	"runtime"

	"duet/go-server/programs/internal/cli"
)

const (
	columns      = 60
	blockSymbols = 1024 * columns
)

const alu = "GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACCTGAGGTCAGGAG" +
	"TTCGAGACCAGCCTGGCCAACATGGTGAAACCCCGTCTCTACTAAAAATACAAAAATTAGCCGGGCGTGGTGGCGCGCGCCTGTA" +
	"ATCCCAGCTACTCGGGAGGCTGAGGCAGGAGAATCGCTTGAACCCGGGAGGCGGAGGTTGCAGTGAGCCGAGATCGCGCCACTGC" +
	"ACTCCAGCCTGGGCGACAGAGCGAGACTCCGTCTCAAAAA"

// A choice is a symbol and how probable it is; in an alphabet, that or an earlier symbol.
type choice struct {
	symbol      byte
	probability float64
}

var ambiguityCodes = alphabet(
	choice{'a', .27}, choice{'c', .12}, choice{'g', .12}, choice{'t', .27},
	choice{'B', .02}, choice{'D', .02}, choice{'H', .02}, choice{'K', .02}, choice{'M', .02},
	choice{'N', .02}, choice{'R', .02}, choice{'S', .02}, choice{'V', .02}, choice{'W', .02},
	choice{'Y', .02},
)

var homoSapiens = alphabet(
	choice{'a', .3029549426680}, choice{'c', .1979883004921},
	choice{'g', .1975473066391}, choice{'t', .3015094502008},
)

func alphabet(choices ...choice) []choice {
	for i := range choices[1:] {
		choices[i+1].probability += choices[i].probability
	}
	return choices
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
func writeRandom(out io.Writer, header string, from []choice, symbols int, seed random) error {
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
	from []choice, symbols int, seed random, first, step int,
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
func appendRandom(text []byte, from []choice, symbols int, r random) []byte {
	for ; symbols > 0; symbols -= columns {
		for range min(columns, symbols) {
			r = r.next()
			text = append(text, pick(from, r))
		}
		text = append(text, '\n')
	}
	return text
}

// pick is the first symbol whose cumulative probability is above the random number.
func pick(from []choice, r random) byte {
	value := r.value()
	for _, c := range from {
		if value < c.probability {
			return c.symbol
		}
	}
	return from[len(from)-1].symbol
}

// random is the state of the generator that the benchmarks game prescribes.
type random uint64

const (
	multiplier random = 3877
	increment  random = 29573
	modulus    random = 139968
)

func (r random) next() random { return (r*multiplier + increment) % modulus }

// value is in [0, 1).
func (r random) value() float64 { return float64(r) / float64(modulus) }

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
