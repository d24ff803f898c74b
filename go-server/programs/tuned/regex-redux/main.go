// Command regex-redux counts nine patterns in a DNA sequence, then makes five replacements, one on
// the result of the other.
//
// Each pattern is counted by a goroutine of its own, while another makes the replacements. For small
// inputs package regexp has a way to match that is several times faster, so it gets the sequence in
// small chunks. The time still goes into package regexp, which looks at every byte.
package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"duet/go-server/programs/internal/cli"
)

const (
	// chunkBytes is so small that all patterns are matched in the fast way.
	chunkBytes = 4000

	variantBytes = 8 // the length of all matches of the nine patterns
)

var newlinesAndHeaders = regexp.MustCompile(">.*\n|\n")

var variants = []string{
	"agggtaaa|tttaccct",
	"[cgt]gggtaaa|tttaccc[acg]",
	"a[act]ggtaaa|tttacc[agt]t",
	"ag[act]gtaaa|tttac[agt]ct",
	"agg[act]taaa|ttta[agt]cct",
	"aggg[acg]aaa|ttt[cgt]ccct",
	"agggt[cgt]aa|tt[acg]accct",
	"agggta[cgt]a|t[acg]taccct",
	"agggtaa[cgt]|[acg]ttaccct",
}

// A replacement knows how long a match can be; 0 if there is no limit.
var replacements = []struct {
	pattern, with string
	bytesMax      int
}{
	{"tHa[Nt]", "<4>", 4},
	{"aND|caN|Ha[DS]|WaS", "<3>", 3},
	{"a[NSt]|BY", "<2>", 2},
	{"<[^>]*>", "|", 0},
	{`\|[^|][^|]*\|`, "-", 0},
}

func main() { cli.Main("regex-redux", run) }

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := cli.NoNumber(args); err != nil {
		return err
	}
	input, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("failed to read standard input: %w", err)
	}
	if !bytes.HasPrefix(input, []byte(">")) {
		return cli.Unusable("standard input must be FASTA, which begins with \">\"")
	}
	sequence := strip(input)

	var work sync.WaitGroup
	var replaced int
	work.Go(func() { replaced = len(replaceAll(sequence)) })
	counts := make([]int, len(variants))
	for i, pattern := range variants {
		work.Go(func() { counts[i] = count(pattern, sequence) })
	}
	work.Wait()

	var out bytes.Buffer
	for i, pattern := range variants {
		fmt.Fprintln(&out, pattern, counts[i])
	}
	fmt.Fprintf(&out, "\n%d\n%d\n%d\n", len(input), len(sequence), replaced)
	_, err = out.WriteTo(stdout)
	return err
}

// strip removes headers and newlines, each core those of its share of the lines.
func strip(input []byte) []byte {
	stripped := make([][]byte, runtime.GOMAXPROCS(0))
	var cores sync.WaitGroup
	rest := input
	for i := range stripped {
		share := lines(rest, len(rest)/(len(stripped)-i))
		rest = rest[len(share):]
		cores.Go(func() { stripped[i] = stripShare(share) })
	}
	cores.Wait()
	return slices.Concat(stripped...)
}

func stripShare(share []byte) []byte {
	stripped := make([]byte, 0, len(share))
	for len(share) > 0 {
		chunk := lines(share, chunkBytes)
		stripped = append(stripped, newlinesAndHeaders.ReplaceAllLiteral(chunk, nil)...)
		share = share[len(chunk):]
	}
	return stripped
}

// lines is the first lines of text, as many as it takes to have so many bytes.
func lines(text []byte, bytesMin int) []byte {
	bytesMin = min(bytesMin, len(text))
	newline := bytes.IndexByte(text[bytesMin:], '\n')
	if newline < 0 {
		return text
	}
	return text[:bytesMin+newline+1]
}

func count(pattern string, sequence []byte) int {
	matches := 0
	eachMatch(regexp.MustCompile(pattern), variantBytes, sequence, func(_, _ int) { matches++ })
	return matches
}

func replaceAll(sequence []byte) []byte {
	for _, r := range replacements {
		pattern := regexp.MustCompile(r.pattern)
		if r.bytesMax == 0 {
			// It begins with a fixed byte, which regexp knows how to search for.
			sequence = pattern.ReplaceAllLiteral(sequence, []byte(r.with))
			continue
		}
		// The third replacement makes the sequence longer, by less than this.
		replaced := make([]byte, 0, len(sequence)+len(sequence)/8)
		kept := 0
		eachMatch(pattern, r.bytesMax, sequence, func(start, end int) {
			replaced = append(append(replaced, sequence[kept:start]...), r.with...)
			kept = end
		})
		sequence = append(replaced, sequence[kept:]...)
	}
	return sequence
}

// eachMatch finds all matches, which must not be longer than bytesMax. It looks for those that
// begin in one chunk, then for those in the next.
func eachMatch(pattern *regexp.Regexp, bytesMax int, text []byte, found func(start, end int)) {
	for at := 0; at < len(text); {
		chunkEnd := min(at+chunkBytes, len(text))
		matchEnd := min(chunkEnd+bytesMax-1, len(text))
		for at < chunkEnd {
			match := pattern.FindIndex(text[at:matchEnd])
			if match == nil || at+match[0] >= chunkEnd {
				at = chunkEnd
				break
			}
			found(at+match[0], at+match[1])
			at += match[1]
		}
	}
}
