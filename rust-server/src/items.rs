//! `GET /items/{n}?m=`: a list that is computed, then encoded.

use crate::number::Count;

/// How many items: n.
pub type ItemCount = Count<1_000>;
/// What each total is multiplied with: m.
pub type Factor = Count<1_000_000>;

const CATEGORIES: [&str; 5] = ["books", "games", "garden", "kitchen", "tools"];
const TAGS: [&str; 4] = ["new", "sale", "heavy", "fragile"];

/// The response.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Items {
    /// The items 1 to n.
    pub items: Vec<Item>,
    /// n.
    pub count: u32,
}

/// One item.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Item {
    /// From 1.
    pub id: u32,
    /// `Item ` and the id.
    pub name: String,
    /// One of five.
    pub category: &'static str,
    /// From 100 to 10,000.
    pub price: u32,
    /// From 1 to 10.
    pub quantity: u32,
    /// Two of three are.
    pub active: bool,
    /// Two of four, perhaps twice the same.
    pub tags: [&'static str; 2],
    /// How it is liked.
    pub rating: Rating,
    /// price · quantity · m.
    pub total: u64,
}

/// How an item is liked.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rating {
    /// From 1 to 5.
    pub score: u32,
    /// From 0 to 499.
    pub count: u32,
}

/// Computes the items 1 to n.
pub fn items(n: ItemCount, m: Factor) -> Items {
    Items { items: (1..=n.get()).map(|i| item(i, m.get())).collect(), count: n.get() }
}

fn item(i: u32, m: u32) -> Item {
    let price = 100 + (i * 7_919) % 9_901;
    let quantity = 1 + (i * 31) % 10;
    Item {
        id: i,
        name: format!("Item {i}"),
        category: CATEGORIES[(i as usize - 1) % CATEGORIES.len()],
        price,
        quantity,
        active: !i.is_multiple_of(3),
        tags: [TAGS[i as usize % TAGS.len()], TAGS[i as usize / 4 % TAGS.len()]],
        rating: Rating { score: 1 + i % 5, count: (i * 13) % 500 },
        total: u64::from(price * quantity) * u64::from(m),
    }
}
