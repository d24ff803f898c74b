// Command pidigits prints the first n digits of π, one after the other from Gibbons' spigot.
//
// Each step needs the one before: it runs on one core. The numbers grow with every step, so twice
// the digits take four times as long. The time goes into multiplying and dividing them.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/big"

	"duet/go-server/programs/internal/cli"
)

const digitsPerLine = 10

func main() { cli.Main("pidigits", run) }

func run(args []string, _ io.Reader, stdout io.Writer) error {
	n, err := cli.Number(args, 0, 1_000_000)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	pi := newSpigot()
	line := make([]byte, 0, digitsPerLine)
	for i := 1; i <= n; i++ {
		line = append(line, '0'+pi.next())
		if len(line) == digitsPerLine || i == n {
			fmt.Fprintf(out, "%-*s\t:%d\n", digitsPerLine, line, i)
			line = line[:0]
		}
	}
	return out.Flush()
}

// A spigot holds what is left of π when the digits so far are taken away: something between
// (3·num+acc)/den and (4·num+acc)/den.
type spigot struct {
	num, acc, den big.Int
	term          uint64 // how many terms of the series went into them

	// These are kept for their memory only, so that hardly a step allocates.
	factor, product, dividend, quotient, remainder big.Int
}

func newSpigot() *spigot {
	s := new(spigot)
	s.num.SetUint64(1)
	s.den.SetUint64(1)
	return s
}

// next takes in terms until both ends begin with the same digit, and takes that out.
func (s *spigot) next() byte {
	for {
		s.addTerm()
		if s.num.Cmp(&s.acc) > 0 {
			continue
		}
		digit := s.extract(3)
		if digit == s.extract(4) {
			s.remove(digit)
			return byte(digit)
		}
	}
}

func (s *spigot) addTerm() {
	s.term++
	s.product.Lsh(&s.num, 1)
	s.acc.Add(&s.acc, &s.product)
	s.factor.SetUint64(2*s.term + 1)
	s.acc.Mul(&s.acc, &s.factor)
	s.den.Mul(&s.den, &s.factor)
	s.num.Mul(&s.num, s.factor.SetUint64(s.term))
}

// extract is ⌊(nth·num + acc) / den⌋.
func (s *spigot) extract(nth uint64) uint64 {
	s.product.Mul(&s.num, s.factor.SetUint64(nth))
	s.dividend.Add(&s.product, &s.acc)
	// Quo would allocate a remainder every time.
	s.quotient.QuoRem(&s.dividend, &s.den, &s.remainder)
	return s.quotient.Uint64()
}

func (s *spigot) remove(digit uint64) {
	s.product.Mul(&s.den, s.factor.SetUint64(digit))
	s.acc.Sub(&s.acc, &s.product)
	s.factor.SetUint64(10)
	s.acc.Mul(&s.acc, &s.factor)
	s.num.Mul(&s.num, &s.factor)
}
