// Command k-nucleotide counts how often pieces of one to eighteen nucleotides occur in the record
// >THREE of a FASTA file, with the language's own hash table.
//
// The sequence is cut into parts. For each length of piece and each part, the longest pieces first,
// a core counts in a map of its own, which is then added to the others of that length. The time
// goes into looking up long pieces in maps that are larger than the cache next to the core.
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
	"sync/atomic"

	"duet/go-server/programs/internal/cli"
)

// letters are written as two bits, so that a piece fits into a number and numbers sort as pieces.
const letters = "ACGT"

var listed = []int{1, 2}

var looked = []string{"GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT"}

func main() { cli.Main("k-nucleotide", run) }

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := cli.NoNumber(args); err != nil {
		return err
	}
	sequence, err := readSequence(stdin, ">THREE")
	if err != nil {
		return err
	}
	counted := countAll(sequence)
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

// readSequence is the record whose header begins so, each letter as its index in letters.
func readSequence(stdin io.Reader, header string) ([]byte, error) {
	var sequence []byte
	lines := bufio.NewReaderSize(stdin, 1<<16)
	inHeader, inRecord, starts := false, false, true
	for {
		line, goesOn, err := lines.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("failed to read standard input: %w", err)
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
		for _, letter := range line {
			code := codes[letter]
			if code == unknown {
				return nil, cli.Unusable("record %s must be of A, C, G and T: got %q", header, letter)
			}
			sequence = append(sequence, code)
		}
	}
	if len(sequence) == 0 {
		return nil, cli.Unusable("standard input must be FASTA with a record %s", header)
	}
	return sequence, nil
}

// counts is how often each piece occurs.
type counts map[uint64]int

// countAll counts the pieces of all lengths that are asked for; they are the keys.
func countAll(sequence []byte) map[int]counts {
	counted := map[int]counts{}
	for _, length := range listed {
		counted[length] = counts{}
	}
	for _, piece := range looked {
		counted[len(piece)] = counts{}
	}
	lengths := slices.Sorted(maps.Keys(counted))
	slices.Reverse(lengths)

	parts := runtime.GOMAXPROCS(0)
	var next atomic.Int64
	var mu sync.Mutex
	var cores sync.WaitGroup
	for range parts {
		cores.Go(func() {
			for work := int(next.Add(1)) - 1; work < len(lengths)*parts; work = int(next.Add(1)) - 1 {
				length, part := lengths[work/parts], work%parts
				pieces := max(0, len(sequence)-length+1)
				mine := count(sequence, length, pieces*part/parts, pieces*(part+1)/parts)
				mu.Lock()
				for piece, n := range mine {
					counted[length][piece] += n
				}
				mu.Unlock()
			}
		})
	}
	cores.Wait()
	return counted
}

// count counts the pieces of the length that begin in [from, to).
func count(sequence []byte, length, from, to int) counts {
	counted := counts{}
	if from == to {
		return counted
	}
	var piece uint64
	for _, code := range sequence[from : from+length-1] {
		piece = piece<<2 | uint64(code)
	}
	mask := uint64(1)<<(2*length) - 1
	for _, code := range sequence[from+length-1 : to+length-1] {
		piece = (piece<<2 | uint64(code)) & mask
		counted[piece]++
	}
	return counted
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
