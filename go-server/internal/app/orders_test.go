package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// order is a valid order as JSON; each pair of old and new text makes another one of it.
func order(replace ...string) string {
	const valid = `{"id":"o-1","customer":{"name":"Ann","country":"DE"},"category":"books",` +
		`"paid":true,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}`
	return strings.NewReplacer(replace...).Replace(valid)
}

// amount is an order of one line at the given price, not paid.
func amount(id, price string) string {
	return order("o-1", id, `"quantity":3`, `"quantity":1`, "12.34", price, "true", "null")
}

func array(orders ...string) string {
	return "[" + strings.Join(orders, ",") + "]"
}

func answerWith(count, unpaid, customers int, sum int64, category, top5 string) string {
	return fmt.Sprintf(`{"count":%d,"unpaid":%d,"customers":%d,"sum_cents":%d,`+
		`"by_category":{%s},"top5":[%s]}`, count, unpaid, customers, sum, category, top5)
}

func answerTo(body []byte) (string, error) {
	orders, err := DecodeOrders(body)
	if err != nil {
		return "", err
	}
	summary, err := Summarize(orders)
	if err != nil {
		return "", err
	}
	encoded, err := json.Marshal(summary)
	return string(encoded), err
}

func TestOrdersAccepted(t *testing.T) {
	one := answerWith(1, 0, 1, 3702, `"books":3702`, `{"id":"o-1","cents":3702}`)
	unpaid := strings.Replace(one, `"unpaid":0`, `"unpaid":1`, 1)
	two := answerWith(2, 0, 1, 7404, `"books":7404`,
		`{"id":"o-1","cents":3702},{"id":"o-1","cents":3702}`)

	for _, test := range []struct {
		name, body, want string
	}{
		{"none", `[]`, answerWith(0, 0, 0, 0, "", "")},
		{"one", array(order()), one},
		{"white space around", " \t\r\n" + array(order()) + "\n", one},
		{"paid null", array(order("true", "null")), unpaid},
		{"paid false", array(order("true", "false")), unpaid},
		{"paid absent", array(order(`"paid":true,`, "")), unpaid},
		{"other keys", array(order(`{"id"`, `{"x":[1e999,{"y":null}],"id"`)), one},
		{"longest id", array(order("o-1", strings.Repeat("Z", 32))),
			strings.Replace(one, "o-1", strings.Repeat("Z", 32), 1)},
		{"longest category", array(order("books", strings.Repeat("z", 16))),
			strings.ReplaceAll(one, "books", strings.Repeat("z", 16))},
		{"highest line", array(order(`:3,`, `:1000,`, "12.34", "9999999.99")),
			strings.ReplaceAll(one, "3702", "999999999000")},
		{"price 0", array(order("12.34", "0.00")), strings.ReplaceAll(one, "3702", "0")},
		{"price with zeros", array(order("12.34", "0000012.34")), one},
		{"lines add up", array(order(`[{`, `[{"sku":"ß","quantity":2,"price":"0.50"},{`)),
			strings.ReplaceAll(one, "3702", "3802")},
		{"name escaped in one and not in the other",
			array(order("Ann", `Zo\u00eb \"Z\" \ud83d\ude00`), order("Ann", `Zoë \"Z\" 😀`)), two},
		{"name with escaped slash and NUL",
			array(order("Ann", `\/\u0000`), order("Ann", `/\u0000`)), two},
		{"names that differ in normal form only",
			array(order("Ann", "é"), order("Ann", `e\u0301`)),
			strings.Replace(two, `"customers":1`, `"customers":2`, 1)},
		{"categories in order",
			array(order("books", "b"), order("books", "ab"), order("books", "a")),
			answerWith(3, 0, 1, 11106, `"a":3702,"ab":3702,"b":3702`, `{"id":"o-1","cents":3702},`+
				`{"id":"o-1","cents":3702},{"id":"o-1","cents":3702}`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := answerTo([]byte(test.body))
			if got != test.want || err != nil {
				t.Errorf("%s\n got %s, %v\nwant %s", test.body, got, err, test.want)
			}
		})
	}
}

func TestOrdersRefused(t *testing.T) {
	for _, test := range []struct {
		name, body string
	}{
		{"empty", ``},
		{"white space", ` `},
		{"null", `null`},
		{"object", order()},
		{"string", `"[]"`},
		{"cut short", `[` + order()},
		{"bytes after", array(order()) + "x"},
		{"second array after", `[][]`},
		{"byte order mark", "\xef\xbb\xbf[]"},
		{"trailing comma", `[` + order() + `,]`},
		{"element null", `[null]`},
		{"element array", `[["o-1",{"name":"Ann","country":"DE"},"books",true,[]]]`},
		{"invalid UTF-8", array(order("Ann", "A\xff"))},
		{"invalid UTF-8, overlong", array(order("Ann", "A\xc0\x80"))},
		{"invalid UTF-8, surrogate", array(order("Ann", "A\xed\xa0\x80"))},
		{"invalid UTF-8 in another key", array(order(`{"id"`, "{\"\xff\":1,\"id\""))},
		{"bad escape", array(order("Ann", `\x41`))},
		{"raw newline", array(order("Ann", "A\n"))},
		{"malformed other key", array(order(`{"id"`, `{"x":01,"id"`))},

		{"id absent", array(order(`"id":"o-1",`, ""))},
		{"id null", array(order(`"o-1"`, "null"))},
		{"id empty", array(order("o-1", ""))},
		{"id too long", array(order("o-1", strings.Repeat("a", 33)))},
		{"id with underscore", array(order("o-1", "o_1"))},
		{"id with letter beyond ASCII", array(order("o-1", "ö-1"))},
		{"id number", array(order(`"o-1"`, "1"))},
		{"customer absent", array(order(`"customer":{"name":"Ann","country":"DE"},`, ""))},
		{"customer null", array(order(`{"name":"Ann","country":"DE"}`, "null"))},
		{"customer string", array(order(`{"name":"Ann","country":"DE"}`, `"Ann"`))},
		{"name absent", array(order(`"name":"Ann",`, ""))},
		{"name empty", array(order("Ann", ""))},
		{"country absent", array(order(`,"country":"DE"`, ""))},
		{"country short", array(order("DE", "D"))},
		{"country long", array(order("DE", "DEU"))},
		{"country lower", array(order("DE", "De"))},
		{"category absent", array(order(`"category":"books",`, ""))},
		{"category empty", array(order("books", ""))},
		{"category too long", array(order("books", strings.Repeat("b", 17)))},
		{"category upper", array(order("books", "Books"))},
		{"paid string", array(order("true", `"true"`))},
		{"paid number", array(order("true", "1"))},
		{"lines absent", array(order(`,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]`, ""))},
		{"lines null", array(order(`[{"sku":"B-1","quantity":3,"price":"12.34"}]`, "null"))},
		{"lines empty", array(order(`{"sku":"B-1","quantity":3,"price":"12.34"}`, ""))},
		{"lines object", array(order("[", "", "]", ""))},
		{"line null", array(order(`[{`, `[null,{`))},
		{"sku absent", array(order(`"sku":"B-1",`, ""))},
		{"sku empty", array(order("B-1", ""))},
		{"quantity absent", array(order(`"quantity":3,`, ""))},
		{"quantity null", array(order(":3", ":null"))},
		{"quantity 0", array(order(":3", ":0"))},
		{"quantity negative", array(order(":3", ":-3"))},
		{"quantity over", array(order(":3", ":1001"))},
		{"quantity beyond int64", array(order(":3", ":99999999999999999999"))},
		{"quantity with fraction", array(order(":3", ":3.0"))},
		{"quantity with exponent", array(order(":3", ":3e0"))},
		{"quantity string", array(order(":3", `:"3"`))},
		{"price absent", array(order(`,"price":"12.34"`, ""))},
		{"price null", array(order(`"12.34"`, "null"))},
		{"price number", array(order(`"12.34"`, "12.34"))},
		{"price empty", array(order("12.34", ""))},
		{"price without digits before", array(order("12.34", ".34"))},
		{"price without point", array(order("12.34", "1234"))},
		{"price with comma", array(order("12.34", "12,34"))},
		{"price with 1 digit after", array(order("12.34", "12.3"))},
		{"price with 3 digits after", array(order("12.34", "12.345"))},
		{"price with 8 digits before", array(order("12.34", "12345678.00"))},
		{"price with sign", array(order("12.34", "-12.34"))},
		{"price with space", array(order("12.34", " 12.34"))},
		{"price with other digits", array(order("12.34", "١.34"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := answerTo([]byte(test.body)); err == nil {
				t.Errorf("%s\n got %s\nwant an error", test.body, got)
			}
		})
	}
}

func TestTop5(t *testing.T) {
	for _, test := range []struct {
		name   string
		orders []string
		want   []string
	}{
		{"highest first", []string{amount("a", "1.00"), amount("b", "3.00"), amount("c", "2.00")},
			[]string{"b", "c", "a"}},
		{"equal amounts by id", []string{amount("b", "1.00"), amount("a-", "1.00"),
			amount("B", "1.00"), amount("a", "1.00")}, []string{"B", "a", "a-", "b"}},
		{"the lowest of six goes", []string{amount("f", "6.00"), amount("a", "1.00"),
			amount("b", "2.00"), amount("c", "3.00"), amount("d", "4.00"), amount("e", "5.00")},
			[]string{"f", "e", "d", "c", "b"}},
		{"the last of six equals goes", []string{amount("f", "1.00"), amount("e", "1.00"),
			amount("d", "1.00"), amount("c", "1.00"), amount("b", "1.00"), amount("a", "1.00")},
			[]string{"a", "b", "c", "d", "e"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			orders, err := DecodeOrders([]byte(array(test.orders...)))
			if err != nil {
				t.Fatal(err)
			}
			summary, err := Summarize(orders)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range summary.Top5 {
				got = append(got, o.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func FuzzDecodeOrders(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `[null]`, array(order()), array(order("true", "null"), amount("b", "0.05")),
		array(order("Ann", `Zo\u00eb`)), array(order("Ann", "\xff")), array(order()) + "[]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		orders, err := DecodeOrders(body)
		if err != nil {
			return
		}
		summary, err := Summarize(orders)
		if err != nil {
			return
		}
		if !utf8.Valid(body) {
			t.Fatalf("accepted invalid UTF-8: %q", body)
		}
		got, err := json.Marshal(summary)
		if err != nil {
			t.Fatal(err)
		}
		var sum uint64
		for _, cents := range summary.ByCategory {
			sum += cents
		}
		if sum != summary.SumCents {
			t.Errorf("%q: categories add up to %d; want %d", body, sum, summary.SumCents)
		}

		// What was accepted is accepted again when we write it ourselves, to the same effect.
		again, err := json.Marshal(orders)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := answerTo(again); string(got) != want || err != nil {
			t.Errorf("%q\n got %s\nwant %s, %v", body, got, want, err)
		}
	})
}

func BenchmarkOrders(b *testing.B) {
	for _, size := range []int{2 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			body := []byte(ordersOfSize(size))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := answerTo(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ordersOfSize is an array of orders of at most size bytes, all of them different.
func ordersOfSize(size int) string {
	var orders []string
	for n := 2; n < size; {
		i := len(orders)
		next := order("o-1", fmt.Sprintf("o-%05d", i), "Ann", fmt.Sprintf(`Zo\u00eb %d`, i%40),
			"books", categories[i%len(categories)], "12.34", fmt.Sprintf("%d.34", i%100))
		n += len(next) + 1
		if n < size {
			orders = append(orders, next)
		}
	}
	return array(orders...)
}
