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
	if !consistsOf(strings.TrimPrefix(s, "-"), 1, digitsMax, isDigit) {
		return 0, errNotInteger
	}
	return strconv.ParseInt(s, 10, 64)
}

// ParseCount reads an integer from 1 to most that is written in digits only.
func ParseCount(s string, most int64) (int64, error) {
	n, err := ParseInteger(s)
	if err != nil {
		return 0, err
	}
	if n < 1 || n > most {
		return 0, fmt.Errorf("not between 1 and %d", most)
	}
	return n, nil
}

// consistsOf reports whether s has between least and most bytes, all of them of one class.
func consistsOf(s string, least, most int, class func(byte) bool) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isIDByte(c byte) bool {
	return isUpper(c) || isLower(c) || isDigit(c) || c == '-'
}
