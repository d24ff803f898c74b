package app

import (
	"math/big"
	"regexp"
	"testing"
)

func TestParseInteger(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"-0", 0, true},
		{"007", 7, true},
		{"-12", -12, true},
		{"999999999999999999", 999_999_999_999_999_999, true},
		{"-999999999999999999", -999_999_999_999_999_999, true},
		{"000000000000000001", 1, true},
		{"1000000000000000000", 0, false},
		{"0000000000000000001", 0, false},
		{"", 0, false},
		{"-", 0, false},
		{"--1", 0, false},
		{"+1", 0, false},
		{" 1", 0, false},
		{"1 ", 0, false},
		{"1\n", 0, false},
		{"1_000", 0, false},
		{"0x1", 0, false},
		{"1.0", 0, false},
		{"1e3", 0, false},
		{"١", 0, false},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := ParseInteger(test.in)
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("got %d, %v; want %d, ok %t", got, err, test.want, test.ok)
			}
		})
	}
}

func TestParseCount(t *testing.T) {
	for _, test := range []struct {
		in   string
		want uint32
		ok   bool
	}{
		{"1", 1, true},
		{"1000", 1000, true},
		{"0001", 1, true},
		{"0", 0, false},
		{"-1", 0, false},
		{"-0", 0, false},
		{"1001", 0, false},
		{"999999999999999999", 0, false},
		{"", 0, false},
		{"x", 0, false},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := ParseCount(test.in, 1000)
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("got %d, %v; want %d, ok %t", got, err, test.want, test.ok)
			}
		})
	}
}

func FuzzParseInteger(f *testing.F) {
	for _, seed := range []string{"0", "-7", "+1", "-", "999999999999999999", "1_0", "½"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`\A-?[0-9]{1,18}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseInteger(s)
		if want := grammar.MatchString(s); (err == nil) != want {
			t.Fatalf("ParseInteger(%q): error %v; want ok %t", s, err, want)
		}
		if err != nil {
			return
		}
		if want, _ := new(big.Int).SetString(s, 10); want.Cmp(big.NewInt(got)) != 0 {
			t.Errorf("ParseInteger(%q) = %d; want %d", s, got, want)
		}
	})
}
