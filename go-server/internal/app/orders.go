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
	Quantity int64  `json:"quantity"`
	Price    string `json:"price"`
}

// OrderSummary is the answer of POST /orders. Its map is encoded with its keys in order.
type OrderSummary struct {
	Count      int              `json:"count"`
	Unpaid     int              `json:"unpaid"`
	Customers  int              `json:"customers"`
	SumCents   int64            `json:"sum_cents"`
	ByCategory map[string]int64 `json:"by_category"`
	Top5       []OrderAmount    `json:"top5"`
}

// OrderAmount is an order among the highest.
type OrderAmount struct {
	ID    string `json:"id"`
	Cents int64  `json:"cents"`
}

// DecodeOrders reads a JSON array of orders. Orders it returns keep every rule of CONTRACT.md,
// section 4.2.
//
// A missing field or null leaves a field empty, which no rule but that of paid allows.
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
	for i := range orders {
		if !orders[i].valid() {
			return nil, fmt.Errorf("orders: a field of order %d breaks its rule", i)
		}
	}
	return orders, nil
}

func (o *Order) valid() bool {
	return consistsOf(o.ID, 1, 32, isIDByte) &&
		o.Customer.Name != "" &&
		consistsOf(o.Customer.Country, 2, 2, isUpper) &&
		consistsOf(o.Category, 1, 16, isLower) &&
		len(o.Lines) > 0 &&
		!slices.ContainsFunc(o.Lines, func(l Line) bool { return !l.valid() })
}

func (l Line) valid() bool {
	return l.SKU != "" && 1 <= l.Quantity && l.Quantity <= 1_000 && isPrice(l.Price)
}

// isPrice reports whether s is 1 to 7 digits, a point and 2 digits.
func isPrice(s string) bool {
	point := len(s) - 3
	return point > 0 && s[point] == '.' &&
		consistsOf(s[:point], 1, 7, isDigit) &&
		consistsOf(s[point+1:], 2, 2, isDigit)
}

// Summarize adds up orders that DecodeOrders accepted. A body of 1 MiB has no room for a sum that
// would overflow.
func Summarize(orders []Order) OrderSummary {
	s := OrderSummary{
		Count:      len(orders),
		ByCategory: map[string]int64{},
		Top5:       make([]OrderAmount, 0, topMax+1),
	}
	customers := make(map[string]struct{}, len(orders))
	for i := range orders {
		o := &orders[i]
		amount := o.cents()
		if !o.Paid {
			s.Unpaid++
		}
		customers[o.Customer.Name] = struct{}{}
		s.SumCents += amount
		s.ByCategory[o.Category] += amount
		s.Top5 = insertTop5(s.Top5, OrderAmount{ID: o.ID, Cents: amount})
	}
	s.Customers = len(customers)
	return s
}

func (o *Order) cents() int64 {
	var sum int64
	for i := range o.Lines {
		sum += o.Lines[i].Quantity * priceCents(o.Lines[i].Price)
	}
	return sum
}

// priceCents is the value of a price that isPrice accepts.
func priceCents(price string) int64 {
	var cents int64
	for _, c := range []byte(price) {
		if c != '.' {
			cents = 10*cents + int64(c-'0')
		}
	}
	return cents
}

// insertTop5 puts a after all that rank as high, so that equals stay in order of arrival.
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

// compareRank orders by amount, the highest first, then by id.
func compareRank(a, b OrderAmount) int {
	return cmp.Or(cmp.Compare(b.Cents, a.Cents), cmp.Compare(a.ID, b.ID))
}
