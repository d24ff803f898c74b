package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// topMax is how many orders a summary names.
const topMax = 5

// Order is one element of what POST /orders takes.
type Order struct {
	ID       string   `json:"id"`
	Customer Customer `json:"customer"`
	Category string   `json:"category"`
	Paid     bool     `json:"paid"`
	Lines    []Line   `json:"lines"`
}

// Customer is part of an Order.
type Customer struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

// Line is part of an Order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity uint32 `json:"quantity"`
	Price    string `json:"price"`
}

// OrderSummary is the response to POST /orders. Its map is encoded with its keys in order.
type OrderSummary struct {
	Count      int               `json:"count"`
	Unpaid     int               `json:"unpaid"`
	Customers  int               `json:"customers"`
	SumCents   uint64            `json:"sum_cents"`
	ByCategory map[string]uint64 `json:"by_category"`
	Top5       []OrderAmount     `json:"top5"`
}

// OrderAmount is an order among the highest.
type OrderAmount struct {
	ID    string `json:"id"`
	Cents uint64 `json:"cents"`
}

// DecodeOrders reads a JSON array of orders. A missing field or null leaves a field empty, which
// Summarize allows only of Paid.
func DecodeOrders(body []byte) ([]Order, error) {
	// Unmarshal would replace invalid UTF-8 and go on.
	if !utf8.Valid(body) {
		return nil, errors.New("orders: invalid UTF-8")
	}
	var orders []Order
	if err := json.Unmarshal(body, &orders); err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	// null is the one value that is not an array and decodes into a slice all the same.
	if orders == nil {
		return nil, errors.New("orders: not an array")
	}
	return orders, nil
}

// Summarize checks the orders by the rules of CONTRACT.md, section 4.2, and adds them up. A body of
// 1 MiB has no room for a sum that would overflow.
func Summarize(orders []Order) (OrderSummary, error) {
	s := OrderSummary{
		Count:      len(orders),
		ByCategory: map[string]uint64{},
		Top5:       make([]OrderAmount, 0, topMax+1),
	}
	customers := make(map[string]struct{}, len(orders))
	for i := range orders {
		o := &orders[i]
		if err := o.checkTexts(); err != nil {
			return OrderSummary{}, fmt.Errorf("order %d: %w", i, err)
		}
		cents, err := o.cents()
		if err != nil {
			return OrderSummary{}, fmt.Errorf("order %d: %w", i, err)
		}
		if !o.Paid {
			s.Unpaid++
		}
		customers[o.Customer.Name] = struct{}{}
		s.SumCents += cents
		s.ByCategory[o.Category] += cents
		s.Top5 = insertTop5(s.Top5, OrderAmount{ID: o.ID, Cents: cents})
	}
	s.Customers = len(customers)
	return s, nil
}

func (o *Order) checkTexts() error {
	switch {
	case len(o.ID) < 1 || len(o.ID) > 32 || !isID(o.ID):
		return errors.New("the id breaks its rule")
	case len(o.Category) < 1 || len(o.Category) > 16 || !isLower(o.Category):
		return errors.New("the category breaks its rule")
	case len(o.Customer.Country) != 2 || !isUpper(o.Customer.Country):
		return errors.New("the customer's country breaks its rule")
	case o.Customer.Name == "":
		return errors.New("the customer's name is empty")
	}
	return nil
}

func isID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '-') {
			return false
		}
	}
	return true
}

func isLower(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// cents returns the amount of the order.
func (o *Order) cents() (uint64, error) {
	if len(o.Lines) == 0 {
		return 0, errors.New("no lines")
	}
	var sum uint64
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.SKU == "" {
			return 0, errors.New("the sku of a line is empty")
		}
		if l.Quantity < 1 || l.Quantity > 1_000 {
			return 0, errors.New("the quantity of a line is out of range")
		}
		price, err := parsePrice(l.Price)
		if err != nil {
			return 0, err
		}
		sum += uint64(l.Quantity) * price
	}
	return sum, nil
}

var errPrice = errors.New("a price is not 1 to 7 digits, a point and 2 digits")

// parsePrice returns the cents of a price.
func parsePrice(s string) (uint64, error) {
	point := len(s) - 3
	if point < 1 || point > 7 || s[point] != '.' {
		return 0, errPrice
	}
	var cents uint64
	for i := range len(s) {
		if i == point {
			continue
		}
		if !isDigit(s[i]) {
			return 0, errPrice
		}
		cents = 10*cents + uint64(s[i]-'0')
	}
	return cents, nil
}

// insertTop5 inserts a after all that rank as high, so that equals stay in order of arrival.
func insertTop5(top []OrderAmount, a OrderAmount) []OrderAmount {
	at := slices.IndexFunc(top, func(other OrderAmount) bool { return compareRank(a, other) < 0 })
	if at < 0 {
		at = len(top)
	}
	if at == topMax {
		return top
	}
	top = slices.Insert(top, at, a)
	return top[:min(len(top), topMax)]
}

// compareRank compares by amount, the highest first, then by id.
func compareRank(a, b OrderAmount) int {
	return cmp.Or(cmp.Compare(b.Cents, a.Cents), cmp.Compare(a.ID, b.ID))
}
