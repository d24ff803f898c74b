// Command regex-redux counts nine patterns in a DNA sequence, then makes five replacements, one on
// the result of the other.
//
// Each core strips the headers and newlines of its share of the lines. Then each pattern is counted
// by a goroutine of its own, while another makes the replacements. The time goes into package
// regexp, which looks at every byte and never takes back a step.
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

var replacements = []struct{ pattern, with string }{
	{"tHa[Nt]", "<4>"},
	{"aND|caN|Ha[DS]|WaS", "<3>"},
	{"a[NSt]|BY", "<2>"},
	{"<[^>]*>", "|"},
	{`\|[^|][^|]*\|`, "-"},
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
		cores.Go(func() { stripped[i] = newlinesAndHeaders.ReplaceAllLiteral(share, nil) })
	}
	cores.Wait()
	return slices.Concat(stripped...)
}

// lines is the first lines of text, as many as it takes to have so many bytes.
func lines(text []byte, bytesMin int) []byte {
	newline := bytes.IndexByte(text[bytesMin:], '\n')
	if newline < 0 {
		return text
	}
	return text[:bytesMin+newline+1]
}

func count(pattern string, sequence []byte) int {
	return len(regexp.MustCompile(pattern).FindAllIndex(sequence, -1))
}

func replaceAll(sequence []byte) []byte {
	for _, r := range replacements {
		sequence = regexp.MustCompile(r.pattern).ReplaceAllLiteral(sequence, []byte(r.with))
	}
	return sequence
}
