package expect

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// The programs that read what fasta writes.

// KNucleotide tests the program of that name.
func KNucleotide(t *testing.T, run Program) {
	long := strings.Repeat("GATTACA", 160_000) // longer than a stretch
	outputs(t, run, []test{
		{
			stdin: []byte(published(t, "fasta-1000.txt")),
			want:  published(t, "k-nucleotide-fasta-1000.txt"),
		},
		{stdin: fasta(100), want: kNucleotide(fasta(100))},
		{stdin: fasta(25_000), want: kNucleotide(fasta(25_000))},
		{
			stdin: []byte(">ONE\nNO\n>THREE\r\nACGGTT\r\n\nggt\n>FOUR\nNO\n"),
			want:  kNucleotide([]byte(">THREE\nACGGTTGGT\n")),
		},
		{stdin: []byte(">THREE\nA"), want: "A 100.000\n\n\n" + noPieces},
		{
			stdin: []byte(">THREE\nGGTATTTTAATTTATAG\n"),
			want:  kNucleotide([]byte(">THREE\nGGTATTTTAATTTATAG\n")),
		},
		{
			stdin: []byte(">" + long + "\nNO\n>THREE" + long + "\n" + long + "\nGGTA\n"),
			want:  kNucleotide([]byte(">THREE\n" + long + "GGTA\n")),
		},
	})
	const noRecord = "standard input must be FASTA with a record >THREE"
	badInputs(t, run, map[string]string{
		"":                     noRecord,
		"\n":                   noRecord,
		"ACGT\n":               noRecord,
		">ONE\nACGT\n>TWO\nA":  noRecord,
		">THREE\n>FOUR\nACGT":  noRecord,
		">THREE\nACGT\nACNT\n": "record >THREE must be of A, C, G and T: got 'N'",
		">THREE\nA \n":         "record >THREE must be of A, C, G and T: got ' '",
	})
	badOutput(t, run, test{stdin: fasta(10)})
}

const noPieces = "0\tGGT\n0\tGGTA\n0\tGGTATT\n0\tGGTATTTTAATT\n0\tGGTATTTTAATTTATAGT\n"

// RegexRedux tests the program of that name.
func RegexRedux(t *testing.T, run Program) {
	outputs(t, run, []test{
		{
			stdin: []byte(published(t, "fasta-1000.txt")),
			want:  published(t, "regex-redux-fasta-1000.txt"),
		},
		{
			stdin: fasta(25_000),
			want:  regexRedux(2, 7, 19, 16, 27, 7, 6, 9, 11, 254245, 250000, 136381),
		},
		{stdin: []byte(">"), want: regexRedux(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1)},
		{
			stdin: []byte(">x\nagggt\naaatttaccct\n>y\ntHaNtBYaNDaSaBaWaS\n"),
			want:  regexRedux(2, 0, 0, 0, 0, 0, 0, 0, 0, 43, 34, 12),
		},
	})
	const want = `standard input must be FASTA, which begins with ">"`
	badInputs(t, run, map[string]string{"": want, "\n": want, "ACGT\n": want})
	badOutput(t, run, test{stdin: fasta(10)})
}

// regexRedux writes the nine counts and three lengths as the program does.
func regexRedux(numbers ...int) string {
	return fmt.Sprintf(`agggtaaa|tttaccct %d
[cgt]gggtaaa|tttaccc[acg] %d
a[act]ggtaaa|tttacc[agt]t %d
ag[act]gtaaa|tttac[agt]ct %d
agg[act]taaa|ttta[agt]cct %d
aggg[acg]aaa|ttt[cgt]ccct %d
agggt[cgt]aa|tt[acg]accct %d
agggta[cgt]a|t[acg]taccct %d
agggtaa[cgt]|[acg]ttaccct %d

%d
%d
%d
`, toAny(numbers)...)
}

func toAny(numbers []int) []any {
	var values []any
	for _, n := range numbers {
		values = append(values, n)
	}
	return values
}

// ReverseComplement tests the program of that name.
func ReverseComplement(t *testing.T, run Program) {
	long := strings.Repeat("GATTACA", 30_000) // longer than a piece
	outputs(t, run, []test{
		{
			stdin: []byte(published(t, "fasta-1000.txt")),
			want:  published(t, "reverse-complement-fasta-1000.txt"),
		},
		{
			stdin:  fasta(100),
			sha256: "a025cfe14d02a36ec29daee9ad99989a39a1fc4f2856cbec62d8fa50e1e3429e",
		},
		{stdin: fasta(50_000), want: reverseComplement(fasta(50_000))},
		{stdin: []byte(">x\nACGTUMRWSYKVHDBN\n"), want: ">x\nNVHDBMRSWYKAACGT\n"},
		{stdin: []byte(">x\nacgtumrwsykvhdbn"), want: ">x\nNVHDBMRSWYKAACGT\n"},
		{stdin: []byte(">x\n\nAC\nG\n>y\n>z\nA"), want: ">x\nCGT\n>y\n>z\nT\n"},
		{stdin: []byte(">x\r\nAC\r\nG\r\n"), want: ">x\nCGT\n"},
		{stdin: []byte(">x"), want: ">x\n"},
		{stdin: []byte(">" + long + "\n" + long + "\nT\n"), want: reverseComplement([]byte(">" + long + "\n" + long + "T"))},
	})
	const (
		noFasta   = `standard input must be FASTA, which begins with ">"`
		noLetters = "a sequence has a letter without a complement"
	)
	badInputs(t, run, map[string]string{
		"":                         noFasta,
		"\n":                       noFasta,
		"ACGT\n":                   noFasta,
		">x\nAC-GT\n":              noLetters,
		">x\nAC \n":                noLetters,
		">x\nACGT\n>y\nACG\x00T\n": noLetters,
		">x\n" + long + "!" + long: noLetters,
	})
	badOutput(t, run, test{stdin: fasta(10)})
}

// fasta is what the program of that name writes, made as plainly as can be.
func fasta(n int) []byte {
	var out bytes.Buffer
	const alu = "GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACCTGAGGTCAGGAGT" +
		"TCGAGACCAGCCTGGCCAACATGGTGAAACCCCGTCTCTACTAAAAATACAAAAATTAGCCGGGCGTGGTGGCGCGCGCCTGTA" +
		"ATCCCAGCTACTCGGGAGGCTGAGGCAGGAGAATCGCTTGAACCCGGGAGGCGGAGGTTGCAGTGAGCCGAGATCGCGCCACTGC" +
		"ACTCCAGCCTGGGCGACAGAGCGAGACTCCGTCTCAAAAA"
	out.WriteString(">ONE Homo sapiens alu\n")
	writeLines(&out, []byte(strings.Repeat(alu, 2*n/len(alu)+1)[:2*n]))

	seed := 42
	draw := func(symbols string, weights []float64, count int) []byte {
		text := make([]byte, count)
		for i := range text {
			seed = (seed*3877 + 29573) % 139968
			sum, j := weights[0], 0
			for sum <= float64(seed)/139968 {
				j++
				sum += weights[j]
			}
			text[i] = symbols[j]
		}
		return text
	}
	out.WriteString(">TWO IUB ambiguity codes\n")
	codes := append([]float64{.27, .12, .12, .27}, slices.Repeat([]float64{.02}, 11)...)
	writeLines(&out, draw("acgtBDHKMNRSVWY", codes, 3*n))
	out.WriteString(">THREE Homo sapiens frequency\n")
	bases := []float64{.3029549426680, .1979883004921, .1975473066391, .3015094502008}
	writeLines(&out, draw("acgt", bases, 5*n))
	return out.Bytes()
}

func writeLines(out io.Writer, text []byte) {
	for line := range slices.Chunk(text, 60) {
		fmt.Fprintf(out, "%s\n", line)
	}
}

// reverseComplement is what the program of that name makes of records, if their lines are full.
func reverseComplement(records []byte) string {
	const from, to = "ACGTacgtBDHKMNRSVWY", "TGCATGCAVHDMKNYSBWR"
	var out strings.Builder
	for record := range strings.SplitSeq(string(records[1:]), ">") {
		header, body, _ := strings.Cut(record, "\n")
		var text []byte
		for _, letter := range strings.ReplaceAll(body, "\n", "") {
			text = append(text, to[strings.IndexRune(from, letter)])
		}
		slices.Reverse(text)
		fmt.Fprintf(&out, ">%s\n", header)
		writeLines(&out, text)
	}
	return out.String()
}

// kNucleotide is what the program of that name writes for the record >THREE of the input.
func kNucleotide(input []byte) string {
	_, record, _ := bytes.Cut(input, []byte(">THREE"))
	_, record, _ = bytes.Cut(record, []byte("\n"))
	sequence := strings.ToUpper(string(bytes.ReplaceAll(record, []byte("\n"), nil)))
	var out strings.Builder
	for length := 1; length <= 2; length++ {
		counts := map[string]int{}
		var pieces []string
		for i := range max(0, len(sequence)-length+1) {
			piece := sequence[i:][:length]
			if counts[piece]++; counts[piece] == 1 {
				pieces = append(pieces, piece)
			}
		}
		slices.Sort(pieces)
		slices.SortStableFunc(pieces, func(a, b string) int { return counts[b] - counts[a] })
		for _, piece := range pieces {
			percent := 100 * float64(counts[piece]) / float64(len(sequence)-length+1)
			fmt.Fprintf(&out, "%s %.3f\n", piece, percent)
		}
		out.WriteByte('\n')
	}
	for _, piece := range []string{"GGT", "GGTA", "GGTATT", "GGTATTTTAATT", "GGTATTTTAATTTATAGT"} {
		count := 0
		for i := range sequence {
			if strings.HasPrefix(sequence[i:], piece) {
				count++
			}
		}
		fmt.Fprintf(&out, "%d\t%s\n", count, piece)
	}
	return out.String()
}
