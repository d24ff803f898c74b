package app

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// digitsMax keeps every integer, and the sum of three of them, within an int64.
const digitsMax = 18

var errNotInteger = errors.New("not an integer of 1 to 18 digits")

// ParseInteger reads an optional minus sign and 1 to 18 decimal digits. It is stricter than
// strconv, which also takes a plus sign.
func ParseInteger(s string) (int64, error) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) < 1 || len(digits) > digitsMax || !isDigits(digits) {
		return 0, errNotInteger
	}
	return strconv.ParseInt(s, 10, 64)
}

// ParseCount reads a number from 1 to most that is written in digits only.
func ParseCount(s string, most uint32) (uint32, error) {
	n, err := ParseInteger(s)
	if err != nil {
		return 0, err
	}
	if n < 1 || n > int64(most) {
		return 0, fmt.Errorf("not between 1 and %d", most)
	}
	return uint32(n), nil
}

// isDigits reports whether s has no byte but decimal digits.
func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
