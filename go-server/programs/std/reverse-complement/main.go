// Command reverse-complement turns each DNA sequence of a FASTA file around and replaces each
// nucleotide by its complement.
//
// A sequence is read line by line into one buffer. Then each core turns every nth block of lines
// around, from the end of the sequence on, and one goroutine writes the blocks of all the cores in
// turn. The time goes into moving memory: in by lines, around by single bytes, out by blocks.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"

	"duet/go-server/programs/internal/cli"
)

const (
	columns      = 60
	blockSymbols = 1024 * columns
)

func main() { cli.Main("reverse-complement", run) }

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if err := cli.NoNumber(args); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(stdin, 1<<16)
	first, err := lines.Peek(1)
	if err == nil && first[0] != '>' || err == io.EOF {
		return cli.Unusable("standard input must be FASTA, which begins with \">\"")
	}
	var header []byte
	sequence := make([]byte, 0, size(stdin))
	for {
		header, sequence, err = readRecord(lines, sequence[:0])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("failed to read standard input: %w", err)
		}
		if _, err := fmt.Fprintf(stdout, "%s\n", header); err != nil {
			return err
		}
		if err := writeReversed(stdout, sequence); err != nil {
			return err
		}
	}
}

// size returns how many bytes a file has, and 0 for all else. A buffer of that size from the start
// need not grow, which would copy it and call on the collector again and again.
func size(in io.Reader) int64 {
	file, ok := in.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// readRecord reads a header and the sequence up to the next one, without line ends, into buffer.
// The error is io.EOF when there is no record.
func readRecord(lines *bufio.Reader, buffer []byte) (header, sequence []byte, err error) {
	if _, err = lines.Peek(1); err != nil {
		return nil, nil, err
	}
	header, err = lines.ReadBytes('\n')
	for err == nil {
		var next, line []byte
		next, err = lines.Peek(1)
		if err != nil || next[0] == '>' {
			break
		}
		line, _, err = lines.ReadLine()
		if cap(buffer)-len(buffer) < len(line) {
			// By a half: append grows large buffers by a quarter, and copies twice as much.
			buffer = slices.Grow(buffer, max(len(line), len(buffer)/2))
		}
		buffer = append(buffer, line...)
	}
	if err == io.EOF {
		err = nil
	}
	return bytes.TrimRight(header, "\r\n"), buffer, err
}

// writeReversed writes the complement of the sequence from its end on.
func writeReversed(out io.Writer, sequence []byte) error {
	done := make(chan struct{})
	defer close(done)
	cores := make([]chan []byte, runtime.GOMAXPROCS(0))
	for i := range cores {
		cores[i] = make(chan []byte)
		go makeBlocks(cores[i], done, sequence, i*blockSymbols, len(cores)*blockSymbols)
	}
	for block := 0; block*blockSymbols < len(sequence); block++ {
		text := <-cores[block%len(cores)]
		if bytes.IndexByte(text, unknown) >= 0 {
			return cli.Unusable("a sequence has a letter without a complement")
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// makeBlocks makes the block of the symbols that end first from the end of the sequence, then every
// one step symbols on. It fills one buffer while the other is being written.
func makeBlocks(blocks chan<- []byte, done <-chan struct{}, sequence []byte, first, step int) {
	var text, written []byte
	for end := len(sequence) - first; end > 0; end -= step {
		text = appendReversed(text[:0], sequence[max(0, end-blockSymbols):end])
		select {
		case blocks <- text:
			text, written = written, text
		case <-done:
			return
		}
	}
}

// appendReversed adds the lines of the complement of a piece, from its end on.
func appendReversed(text, piece []byte) []byte {
	for len(piece) > 0 {
		start := max(0, len(piece)-columns)
		for i := len(piece) - 1; i >= start; i-- {
			text = append(text, complement[piece[i]])
		}
		text = append(text, '\n')
		piece = piece[:start]
	}
	return text
}

const (
	letters     = "ACGTUMKRYWSVBHDN"
	complements = "TGCAAKMYRWSBVDHN"

	unknown = 0
)

// complement is the complement of each letter, upper or lower case, or unknown.
var complement = func() (complement [256]byte) {
	for i, letter := range []byte(letters) {
		complement[letter] = complements[i]
		complement[letter|0x20] = complements[i]
	}
	return complement
}()
