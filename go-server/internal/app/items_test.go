package app

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestItemList(t *testing.T) {
	for _, test := range []struct {
		n, factor uint32
		want      string
	}{
		{1, 1, `{"items":[{"id":1,"name":"Item 1","category":"books","price":8019,"quantity":2,` +
			`"active":true,"tags":["sale","new"],"rating":{"score":2,"count":13},"total":16038}],` +
			`"count":1}`},
		{3, 1_000_000, `{"items":[{"id":1,"name":"Item 1","category":"books","price":8019,` +
			`"quantity":2,"active":true,"tags":["sale","new"],"rating":{"score":2,"count":13},` +
			`"total":16038000000},{"id":2,"name":"Item 2","category":"games","price":6037,` +
			`"quantity":3,"active":true,"tags":["heavy","new"],"rating":{"score":3,"count":26},` +
			`"total":18111000000},{"id":3,"name":"Item 3","category":"garden","price":4055,` +
			`"quantity":4,"active":false,"tags":["fragile","new"],` +
			`"rating":{"score":4,"count":39},"total":16220000000}],"count":3}`},
	} {
		t.Run(fmt.Sprintf("n=%d,m=%d", test.n, test.factor), func(t *testing.T) {
			got, err := json.Marshal(NewItemList(test.n, test.factor))
			if string(got) != test.want || err != nil {
				t.Errorf("got %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestItemListLongest(t *testing.T) {
	list := NewItemList(ItemCountMax, ItemFactorMax)
	if got := len(list.Items); got != ItemCountMax {
		t.Fatalf("got %d items; want %d", got, ItemCountMax)
	}
	got := list.Items[ItemCountMax-1]
	want := Item{
		ID: 1000, Name: "Item 1000", Category: "tools", Price: 8201, Quantity: 1, Active: true,
		Tags: [2]string{"new", "heavy"}, Rating: Rating{Score: 1, Count: 0}, Total: 8_201_000_000,
	}
	if got != want {
		t.Errorf("last item\n got %+v\nwant %+v", got, want)
	}
}

func BenchmarkItems(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(NewItemList(50, 7)); err != nil {
			b.Fatal(err)
		}
	}
}
