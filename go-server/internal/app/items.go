package app

import "strconv"

// Bounds of GET /items/{n}?m=.
const (
	ItemCountMax  = 1_000
	ItemFactorMax = 1_000_000
)

// ItemList is the answer of GET /items/{n}?m=.
type ItemList struct {
	Items []Item `json:"items"`
	Count int64  `json:"count"`
}

// Item is one entry of an ItemList.
type Item struct {
	ID       int64     `json:"id"`
	Name     string    `json:"name"`
	Category string    `json:"category"`
	Price    int64     `json:"price"`
	Quantity int64     `json:"quantity"`
	Active   bool      `json:"active"`
	Tags     [2]string `json:"tags"`
	Rating   Rating    `json:"rating"`
	Total    int64     `json:"total"`
}

// Rating is part of an Item.
type Rating struct {
	Score int64 `json:"score"`
	Count int64 `json:"count"`
}

var (
	categories = [...]string{"books", "games", "garden", "kitchen", "tools"}
	tags       = [...]string{"new", "sale", "heavy", "fragile"}
)

// NewItemList makes the items 1 to n, their totals multiplied by factor.
func NewItemList(n, factor int64) ItemList {
	items := make([]Item, n)
	for i := range items {
		items[i] = newItem(int64(i)+1, factor)
	}
	return ItemList{Items: items, Count: n}
}

// newItem follows the table of CONTRACT.md, section 4.1.
func newItem(i, factor int64) Item {
	price := 100 + i*7919%9901
	quantity := 1 + i*31%10
	return Item{
		ID:       i,
		Name:     "Item " + strconv.FormatInt(i, 10),
		Category: categories[(i-1)%5],
		Price:    price,
		Quantity: quantity,
		Active:   i%3 != 0,
		Tags:     [2]string{tags[i%4], tags[i/4%4]},
		Rating:   Rating{Score: 1 + i%5, Count: i * 13 % 500},
		Total:    price * quantity * factor,
	}
}
