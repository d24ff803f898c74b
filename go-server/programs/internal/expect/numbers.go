package expect

import (
	"fmt"
	"math"
	"testing"
)

// The programs that take N. Where nothing else is said, a right output is published by the
// benchmarks game or by programming-language-benchmarks, or was computed by an independent
// implementation that agrees with all that is published.

// BinaryTrees tests the program of that name.
func BinaryTrees(t *testing.T, run Program) {
	const smallest = "stretch tree of depth 7\t check: 255\n" +
		"64\t trees of depth 4\t check: 1984\n" +
		"16\t trees of depth 6\t check: 2032\n" +
		"long lived tree of depth 6\t check: 127\n"
	outputs(t, run, []test{
		{arg: "0", want: smallest},
		{arg: "6", want: smallest},
		{arg: "7", want: "stretch tree of depth 8\t check: 511\n" + // 2^(depth+1)-1 nodes a tree
			"128\t trees of depth 4\t check: 3968\n" +
			"32\t trees of depth 6\t check: 4064\n" +
			"long lived tree of depth 7\t check: 255\n"},
		{arg: "10", want: published(t, "binary-trees-10.txt")},
	})
	badNumbers(t, run, 0, 30)
	badOutput(t, run, test{arg: "6"})
}

// FannkuchRedux tests the program of that name.
func FannkuchRedux(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "0\nPfannkuchen(1) = 0\n"}, // by hand, as is the next
		{arg: "2", want: "-1\nPfannkuchen(2) = 1\n"},
		{arg: "3", want: "2\nPfannkuchen(3) = 2\n"},
		{arg: "4", want: "4\nPfannkuchen(4) = 4\n"},
		{arg: "5", want: "11\nPfannkuchen(5) = 7\n"},
		{arg: "6", want: "49\nPfannkuchen(6) = 10\n"},
		{arg: "7", want: published(t, "fannkuch-redux-7.txt")},
		{arg: "10", want: "73196\nPfannkuchen(10) = 38\n"},
	})
	badNumbers(t, run, 1, 16)
	badOutput(t, run, test{arg: "6"})
}

// Fasta tests the program of that name.
func Fasta(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "0", want: ">ONE Homo sapiens alu\n>TWO IUB ambiguity codes\n" +
			">THREE Homo sapiens frequency\n"},
		{arg: "10", sha256: "b1357640fd06fa65ce131f80471b2d880e18efb9fcbbcad7b536b3bf8be8b756"},
		{arg: "60", want: string(fasta(60))}, // full lines only
		{arg: "100", sha256: "55993adf1577664cdad47f4988156ec7063407641576ed01e09162ac1577b7f5"},
		{arg: "1000", want: published(t, "fasta-1000.txt")},
		{arg: "100000", want: string(fasta(100_000))},
	})
	badNumbers(t, run, 0, 1_000_000_000)
	badOutput(t, run, test{arg: "1000"})
}

// Mandelbrot tests the program of that name.
func Mandelbrot(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "P4\n1 1\n\x00"},     // by hand: -1.5-i is out
		{arg: "2", want: "P4\n2 2\n\x00\xc0"}, // -0.5-i too; -1.5 and -0.5 are in
		{arg: "8", sha256: "5cb3c72ff26073f0dcd32ae46289dcf3ef468694ab383f4b98b1bf33c155f6d3"},
		{arg: "16", sha256: "8560a9f45ef36c9d5d15f5024ad4c91a322a4b373d675d163f6cf51f54d5b141"},
		{arg: "200", want: published(t, "mandelbrot-200.pbm")},
	})
	badNumbers(t, run, 1, 32_768)
	badOutput(t, run, test{arg: "8"})
}

// NBody tests the program of that name.
func NBody(t *testing.T, run Program) {
	const before = "-0.169075164\n"
	outputs(t, run, []test{
		{arg: "0", want: before + before},
		{arg: "1", want: before + "-0.169074954\n"},
		{arg: "1000", want: published(t, "n-body-1000.txt")},
	})
	const wantAfter = -0.169016441
	c := test{arg: "10000"}
	var gotBefore, gotAfter float64
	_, err := fmt.Sscan(output(t, run, c, 1), &gotBefore, &gotAfter)
	if err != nil || !(math.Abs(gotAfter-wantAfter) <= 1e-8) {
		t.Errorf("%s: got %.9f, %v, want %.9f", c, gotAfter, err, wantAfter)
	}
	badNumbers(t, run, 0, 10_000_000_000)
	badOutput(t, run, test{arg: "0"})
}

// Pidigits tests the program of that name.
func Pidigits(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "0", want: ""},
		{arg: "1", want: "3         \t:1\n"},
		{arg: "10", want: "3141592653\t:10\n"},
		{arg: "27", want: "3141592653\t:10\n5897932384\t:20\n6264338   \t:27\n"},
		{arg: "30", want: published(t, "pidigits-30.txt")},
		{arg: "100", sha256: "c58ccf8f972ea587a5fc489e902b5b04f8d2512f969228136a604b8acfa66111"},
	})
	badNumbers(t, run, 0, 1_000_000)
	badOutput(t, run, test{arg: "1"})
}

// SpectralNorm tests the program of that name.
func SpectralNorm(t *testing.T, run Program) {
	outputs(t, run, []test{
		{arg: "1", want: "1.000000000\n"}, // A is 1
		{arg: "2", want: "1.183350177\n"},
		{arg: "10", want: "1.271844019\n"},
		{arg: "100", want: published(t, "spectral-norm-100.txt")},
		{arg: "101", want: "1.274220109\n"},
	})
	badNumbers(t, run, 1, 100_000)
	badOutput(t, run, test{arg: "2"})
}
