// Command reverse-complement turns each DNA sequence of a FASTA file around and replaces each
// nucleotide by its complement.
//
// A sequence is read line by line into pieces of equal size, which are never copied and used again
// for the next sequence: one buffer would be copied whenever it grows. Then each core turns every nth
// piece around, from the end of the sequence on, and one goroutine writes what the cores make of them
// in turn. The time goes into moving memory: in by lines, around by single bytes, out by pieces.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"

	"duet/go-server/programs/internal/cli"
)

const (
	columns      = 60
	pieceSymbols = 128 << 10
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
	var text sequence
	for {
		header, err := text.read(lines)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("failed to read standard input: %w", err)
		}
		if _, err := fmt.Fprintf(stdout, "%s\n", header); err != nil {
			return err
		}
		if err := text.writeReversed(stdout); err != nil {
			return err
		}
	}
}

// A sequence is in pieces of pieceSymbols, all but the last of which are full.
type sequence struct {
	pieces  [][]byte // those behind the last one wait for a longer sequence
	symbols int
}

// read reads the sequence up to the next header and returns its own header. The error is io.EOF
// when there is no record.
func (s *sequence) read(lines *bufio.Reader) (header []byte, err error) {
	if _, err = lines.Peek(1); err != nil {
		return nil, err
	}
	s.symbols = 0
	header, err = lines.ReadBytes('\n')
	for err == nil {
		var next, line []byte
		next, err = lines.Peek(1)
		if err != nil || next[0] == '>' {
			break
		}
		line, _, err = lines.ReadLine()
		s.append(line)
	}
	if err == io.EOF {
		err = nil
	}
	return bytes.TrimRight(header, "\r\n"), err
}

func (s *sequence) append(line []byte) {
	for len(line) > 0 {
		piece, used := s.symbols/pieceSymbols, s.symbols%pieceSymbols
		if piece == len(s.pieces) {
			s.pieces = append(s.pieces, make([]byte, pieceSymbols))
		}
		n := copy(s.pieces[piece][used:], line)
		s.symbols += n
		line = line[n:]
	}
}

// writeReversed writes the complement of the sequence from its end on.
func (s *sequence) writeReversed(out io.Writer) error {
	done := make(chan struct{})
	defer close(done)
	pieces := (s.symbols + pieceSymbols - 1) / pieceSymbols
	cores := make([]chan []byte, runtime.GOMAXPROCS(0))
	for i := range cores {
		cores[i] = make(chan []byte)
		go reversePieces(cores[i], done, *s, pieces-1-i, len(cores))
	}
	for i := range pieces {
		text := <-cores[i%len(cores)]
		if bytes.IndexByte(text, unknown) >= 0 {
			return cli.Unusable("a sequence has a letter without a complement")
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	if s.symbols%columns == 0 {
		return nil // the last line is full, and so has its end
	}
	_, err := out.Write([]byte("\n"))
	return err
}

// reversePieces turns the piece around, then every one step before it. It fills one buffer while the
// other is being written.
func reversePieces(
	reversed chan<- []byte, done <-chan struct{}, s sequence, piece, step int,
) {
	var text, written []byte
	for ; piece >= 0; piece -= step {
		start, end := piece*pieceSymbols, min((piece+1)*pieceSymbols, s.symbols)
		text = appendReversed(text[:0], s.pieces[piece][:end-start], (s.symbols-end)%columns)
		select {
		case reversed <- text:
			text, written = written, text
		case <-done:
			return
		}
	}
}

// appendReversed adds the lines of the complement of a piece, from its end on. The first of them
// has some columns already.
func appendReversed(text, piece []byte, column int) []byte {
	for len(piece) > 0 {
		start := max(0, len(piece)-(columns-column))
		for i := len(piece) - 1; i >= start; i-- {
			text = append(text, complement[piece[i]])
		}
		if column += len(piece) - start; column == columns {
			text = append(text, '\n')
			column = 0
		}
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
