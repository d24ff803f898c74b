package app

import (
	"strconv"
	"testing"
)

// The value for 100 is the benchmarks game's. Those for 1 and 2 come from the closed formula, for
// the matrices (1) and (1 1/2, 1/3 1/5).
func TestSpectralNorm(t *testing.T) {
	for _, test := range []struct {
		n    uint32
		want string
	}{
		{1, "1.000000000"},
		{2, "1.183350177"},
		{100, "1.274219991"},
	} {
		t.Run(strconv.FormatUint(uint64(test.n), 10), func(t *testing.T) {
			got := strconv.FormatFloat(SpectralNorm(test.n), 'f', 9, 64)
			if got != test.want {
				t.Errorf("got %s; want %s", got, test.want)
			}
		})
	}
}
