package app

import "math"

// SpectralSizeMax bounds GET /cpu?n=.
const SpectralSizeMax = 2_000

// SpectralNorm is the benchmarks game's spectral-norm: ten rounds of the power method for the
// largest singular value of the n by n corner of an infinite matrix A (CONTRACT.md, section 4.3).
func SpectralNorm(n uint32) float64 {
	u, v, t := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range u {
		u[i] = 1
	}
	for range 10 {
		multiplyAtA(v, u, t)
		multiplyAtA(u, v, t)
	}
	var uv, vv float64
	for i := range u {
		uv += u[i] * v[i]
		vv += v[i] * v[i]
	}
	return math.Sqrt(uv / vv)
}

// multiplyAtA sets out to AᵀA·in, with A·in in between.
func multiplyAtA(out, in, between []float64) {
	for i := range between {
		var sum float64
		for j := range in {
			sum += entry(uint32(i), uint32(j)) * in[j]
		}
		between[i] = sum
	}
	for i := range out {
		var sum float64
		for j := range between {
			sum += entry(uint32(j), uint32(i)) * between[j]
		}
		out[i] = sum
	}
}

// entry returns A(i, j). It computes in 32 bits without a sign, as the Rust servers do: the
// denominator is at most 8,002,000, and both compilers divide it by two and convert it alike.
func entry(i, j uint32) float64 {
	return 1 / float64((i+j)*(i+j+1)/2+i+1)
}
