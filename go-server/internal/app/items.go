package app

import "strconv"

// Bounds of GET /items/{n}?m=.
const (
	ItemCountMax  = 1_000
	ItemFactorMax = 1_000_000
)

// ItemList is the response to GET /items/{n}?m=.
type ItemList struct {
	Items []Item `json:"items"`
	Count uint32 `json:"count"`
}

// Item is one entry of an ItemList.
type Item struct {
	ID       uint32    `json:"id"`
	Name     string    `json:"name"`
	Category string    `json:"category"`
	Price    uint32    `json:"price"`
	Quantity uint32    `json:"quantity"`
	Active   bool      `json:"active"`
	Tags     [2]string `json:"tags"`
	Rating   Rating    `json:"rating"`
	Total    uint64    `json:"total"`
}

// Rating is part of an Item.
type Rating struct {
	Score uint32 `json:"score"`
	Count uint32 `json:"count"`
}

var (
	categories = [...]string{"books", "games", "garden", "kitchen", "tools"}
	tags       = [...]string{"new", "sale", "heavy", "fragile"}
)

// NewItemList makes the items 1 to n, their totals multiplied by factor.
func NewItemList(n, factor uint32) ItemList {
	items := make([]Item, n)
	for i := range items {
		items[i] = newItem(uint32(i)+1, factor)
	}
	return ItemList{Items: items, Count: n}
}

// newItem follows the table of CONTRACT.md, section 4.1. All but the total fits 32 bits.
func newItem(i, factor uint32) Item {
	price := 100 + i*7919%9901
	quantity := 1 + i*31%10
	return Item{
		ID:       i,
		Name:     "Item " + strconv.FormatUint(uint64(i), 10),
		Category: categories[(i-1)%5],
		Price:    price,
		Quantity: quantity,
		Active:   i%3 != 0,
		Tags:     [2]string{tags[i%4], tags[i/4%4]},
		Rating:   Rating{Score: 1 + i%5, Count: i * 13 % 500},
		Total:    uint64(price*quantity) * uint64(factor),
	}
}
