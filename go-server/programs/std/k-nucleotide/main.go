// Command k-nucleotide counts how often pieces of one to eighteen nucleotides occur in the record
// >THREE of a FASTA file, with the language's own hash table.
//
// The record is read in stretches, which are never all in memory. For each length of piece a few
// goroutines, each with a map of its own, take turns at counting stretches; in the end their maps
// are added up. The time goes into looking up long pieces in maps that are larger than the cache
// next to the core.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"duet/go-server/programs/internal/cli"
)

// letters are written as two bits, so that a piece fits into a number and numbers sort as pieces.
const letters = "ACGT"

const (
	header = ">THREE"

	// stretchSymbols is how long a stretch is, up to the end of a line.
	stretchSymbols = 1 << 20
)

// lengths are those of all pieces: those that are listed, and those that are looked up.
var (
	lengths = []int{1, 2, 3, 4, 6, 12, 18}
	listed  = []int{1, 2}
	looked  = []string{"GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT"}
)

func main() { cli.Main("k-nucleotide", run) }

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := cli.NoNumber(args); err != nil {
		return err
	}
	counted, err := countAll(stdin)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, length := range listed {
		list(&out, counted[length], length)
	}
	for _, piece := range looked {
		fmt.Fprintf(&out, "%d\t%s\n", counted[len(piece)][encode(piece)], piece)
	}
	_, err = out.WriteTo(stdout)
	return err
}

// counts is how often each piece occurs.
type counts map[uint64]int

// countAll counts the pieces of all lengths, which are the keys.
func countAll(stdin io.Reader) (map[int]counts, error) {
	// Seven lengths need no turns on two cores, and every goroutine more is a map more to grow.
	turns := (runtime.GOMAXPROCS(0) + 1) / 2
	stretches := make([]chan stretch, turns*len(lengths))
	counted := map[int]counts{}
	var mu sync.Mutex
	var counting sync.WaitGroup
	for i := range stretches {
		stretches[i] = make(chan stretch, 1)
		length := lengths[i%len(lengths)]
		counting.Go(func() {
			mine := counts{}
			for s := range stretches[i] {
				mine.count(s, length)
			}
			mu.Lock()
			defer mu.Unlock()
			if counted[length] == nil {
				counted[length] = mine
				return
			}
			for piece, n := range mine {
				counted[length][piece] += n
			}
		})
	}
	turn := 0
	err := readStretches(stdin, func(s stretch) {
		for i := range lengths {
			stretches[turn*len(lengths)+i] <- s
		}
		turn = (turn + 1) % turns
	})
	for i := range stretches {
		close(stretches[i])
	}
	counting.Wait()
	return counted, err
}

// count counts the pieces that end in the stretch.
func (c counts) count(s stretch, length int) {
	codes := s.codes[max(0, s.before-(length-1)):]
	if len(codes) < length {
		return
	}
	var piece uint64
	for _, code := range codes[:length-1] {
		piece = piece<<2 | uint64(code)
	}
	mask := uint64(1)<<(2*length) - 1
	for _, code := range codes[length-1:] {
		piece = (piece<<2 | uint64(code)) & mask
		c[piece]++
	}
}

// A stretch is a part of the record, each letter as its index in letters.
type stretch struct {
	codes  []byte
	before int // so many of them belong to the stretch before: enough for the longest piece
}

// readStretches reads the record and passes on its stretches.
func readStretches(stdin io.Reader, found func(stretch)) error {
	lines := bufio.NewReaderSize(stdin, 1<<16)
	inHeader, inRecord, starts, empty := false, false, true, true
	var s stretch
	for {
		line, goesOn, err := lines.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("failed to read standard input: %w", err)
		}
		if starts {
			inHeader = bytes.HasPrefix(line, []byte(">"))
		}
		if starts && inHeader {
			if inRecord {
				break
			}
			inRecord = bytes.HasPrefix(line, []byte(header))
		}
		starts = !goesOn
		if inHeader || !inRecord {
			continue
		}
		if err := s.append(line); err != nil {
			return err
		}
		empty = empty && len(line) == 0
		if len(s.codes) >= stretchSymbols {
			found(s)
			s = s.next()
		}
	}
	if empty {
		return cli.Unusable("standard input must be FASTA with a record %s", header)
	}
	found(s)
	return nil
}

func (s *stretch) append(line []byte) error {
	for _, letter := range line {
		code := codes[letter]
		if code == unknown {
			return cli.Unusable("record %s must be of A, C, G and T: got %q", header, letter)
		}
		s.codes = append(s.codes, code)
	}
	return nil
}

// next begins the stretch after s.
func (s stretch) next() stretch {
	before := slices.Max(lengths) - 1
	codes := make([]byte, 0, cap(s.codes))
	return stretch{append(codes, s.codes[len(s.codes)-before:]...), before}
}

// list writes the share of each piece in per cent, the most frequent first.
func list(out io.Writer, counted counts, length int) {
	total := 0
	for _, n := range counted {
		total += n
	}
	pieces := slices.SortedFunc(maps.Keys(counted), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(counted[b], counted[a]), cmp.Compare(a, b))
	})
	for _, piece := range pieces {
		percent := 100 * float64(counted[piece]) / float64(total)
		fmt.Fprintf(out, "%s %.3f\n", decode(piece, length), percent)
	}
	fmt.Fprintln(out)
}

func encode(text string) uint64 {
	var piece uint64
	for i := range len(text) {
		piece = piece<<2 | uint64(codes[text[i]])
	}
	return piece
}

func decode(piece uint64, length int) string {
	text := make([]byte, length)
	for i := range text {
		text[length-1-i] = letters[piece>>(2*i)&3]
	}
	return string(text)
}

const unknown = 0xff

// codes is the index in letters of each letter, upper or lower case, or unknown.
var codes = func() (codes [256]byte) {
	for i := range codes {
		codes[i] = unknown
	}
	for i, letter := range []byte(letters) {
		codes[letter] = byte(i)
		codes[letter|0x20] = byte(i)
	}
	return codes
}()
