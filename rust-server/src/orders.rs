//! `POST /orders`: decoded orders in, their summary out.
//!
//! The types are what all decoders produce. What a value may be is checked here, once for all.
//! Their strings are `String`s, but for the server of the tuned lane, which borrows them from the
//! body (`Text`).

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use crate::number;
use crate::response::BadRequest;

/// How many orders the summary names.
const TOP: usize = 5;

/// An order as decoded.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Order<S = String> {
    /// 1 to 32 characters of `A-Z a-z 0-9 -`.
    pub id: S,
    /// Who ordered.
    pub customer: Customer<S>,
    /// 1 to 16 characters of `a-z`.
    pub category: S,
    /// Absent or `null` means no.
    pub paid: Option<bool>,
    /// At least one.
    pub lines: Vec<Line<S>>,
}

/// Who ordered.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Customer<S = String> {
    /// Not empty.
    pub name: S,
    /// 2 characters of `A-Z`.
    pub country: S,
}

/// What was ordered.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
pub struct Line<S = String> {
    /// Not empty.
    pub sku: S,
    /// From 1 to 1,000.
    pub quantity: u32,
    /// 1 to 7 digits, `.`, 2 digits.
    pub price: S,
}

/// A string that is borrowed from the body unless something in it is escaped.
#[cfg(feature = "serde")]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

#[cfg(feature = "serde")]
impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The response.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Summary<S: Ord = String> {
    /// Orders.
    pub count: usize,
    /// Orders that are not paid.
    pub unpaid: usize,
    /// Distinct names of customers.
    pub customers: usize,
    /// Sum of the amounts of all orders.
    pub sum_cents: u64,
    /// The same for each category, in ascending order of bytes.
    pub by_category: BTreeMap<S, u64>,
    /// The orders with the highest amounts: at most five, highest first, then by id, then as they
    /// came.
    pub top5: Vec<Top<S>>,
}

/// One of the orders with the highest amounts.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Top<S = String> {
    /// Of the order.
    pub id: S,
    /// Its amount.
    pub cents: u64,
}

/// Checks the orders and sums them up.
///
/// # Errors
///
/// If a field breaks its rule.
pub fn summary<S: AsRef<str> + Ord + Hash>(
    orders: Vec<Order<S>>,
) -> Result<Summary<S>, BadRequest> {
    let mut customers = HashSet::with_capacity(orders.len());
    let mut summary = Summary {
        count: orders.len(),
        unpaid: 0,
        customers: 0,
        sum_cents: 0,
        by_category: BTreeMap::new(),
        top5: Vec::with_capacity(TOP + 1),
    };
    for order in orders {
        check_texts(&order)?;
        let cents = amount(&order.lines)?;
        summary.unpaid += usize::from(order.paid != Some(true));
        customers.insert(order.customer.name);
        summary.sum_cents += cents;
        *summary.by_category.entry(order.category).or_default() += cents;
        rank(&mut summary.top5, Top { id: order.id, cents });
    }
    summary.customers = customers.len();
    Ok(summary)
}

fn check_texts<S: AsRef<str>>(order: &Order<S>) -> Result<(), BadRequest> {
    let country = order.customer.country.as_ref();
    if !consists_of(order.id.as_ref(), 32, |byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(BadRequest::new("the id of an order breaks its rule"));
    }
    if !consists_of(order.category.as_ref(), 16, |byte| byte.is_ascii_lowercase()) {
        return Err(BadRequest::new("the category of an order breaks its rule"));
    }
    if country.len() != 2 || !consists_of(country, 2, |byte| byte.is_ascii_uppercase()) {
        return Err(BadRequest::new("the country of a customer breaks its rule"));
    }
    if order.customer.name.as_ref().is_empty() {
        return Err(BadRequest::new("the name of a customer is empty"));
    }
    Ok(())
}

/// Whether a text is not empty, not too long, and all of its bytes are allowed.
fn consists_of(text: &str, length_max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=length_max).contains(&text.len()) && text.bytes().all(allowed)
}

/// Cents. A body holds fewer than 100,000 lines of at most 10¹² cents: it fits.
fn amount<S: AsRef<str>>(lines: &[Line<S>]) -> Result<u64, BadRequest> {
    if lines.is_empty() {
        return Err(BadRequest::new("an order has no lines"));
    }
    let mut sum = 0;
    for line in lines {
        if line.sku.as_ref().is_empty() {
            return Err(BadRequest::new("the sku of a line is empty"));
        }
        if !(1..=1_000).contains(&line.quantity) {
            return Err(BadRequest::new("the quantity of a line is out of range"));
        }
        sum += u64::from(line.quantity) * cents(line.price.as_ref())?;
    }
    Ok(sum)
}

fn cents(price: &str) -> Result<u64, BadRequest> {
    match price.as_bytes() {
        [whole @ .., b'.', tens, ones] if whole.len() <= 7 => {
            Ok(number::natural(whole)? * 100 + number::natural(&[*tens, *ones])?)
        }
        _ => Err(BadRequest::new("a price is not 1 to 7 digits, a point and 2 digits")),
    }
}

/// Puts an order where it belongs among the highest.
fn rank<S: Ord>(top: &mut Vec<Top<S>>, order: Top<S>) {
    let place = top.partition_point(|other| {
        other.cents > order.cents || other.cents == order.cents && other.id <= order.id
    });
    if place < TOP {
        top.truncate(TOP - 1);
        top.insert(place, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: &str, name: &str, category: &str, price: &str) -> Order {
        Order {
            id: id.into(),
            customer: Customer { name: name.into(), country: "DE".into() },
            category: category.into(),
            paid: None,
            lines: vec![Line { sku: "s".into(), quantity: 2, price: price.into() }],
        }
    }

    #[test]
    fn nothing_ordered() {
        let summary = summary(Vec::<Order>::new()).unwrap();
        assert_eq!((summary.count, summary.customers, summary.sum_cents), (0, 0, 0));
        assert!(summary.by_category.is_empty() && summary.top5.is_empty());
    }

    #[test]
    fn sums() {
        let mut orders = vec![
            order("a", "x", "b", "1.00"),
            order("b", "y", "a", "2.50"),
            order("c", "x", "b", "0.01"),
        ];
        orders[1].paid = Some(true);
        orders[2].paid = Some(false);
        let summary = summary(orders).unwrap();
        assert_eq!((summary.count, summary.unpaid, summary.customers), (3, 2, 2));
        assert_eq!(summary.sum_cents, 702);
        assert_eq!(summary.by_category, BTreeMap::from([("a".into(), 500), ("b".into(), 202)]));
    }

    #[test]
    fn the_highest_five() {
        let cases =
            [("f", 1), ("b", 9), ("a", 9), ("c", 3), ("e", 4), ("d", 4), ("a", 9), ("z", 0)];
        let mut top = Vec::new();
        for (id, cents) in cases {
            rank(&mut top, Top { id, cents });
        }
        let top: Vec<_> = top.iter().map(|order| (order.id, order.cents)).collect();
        assert_eq!(top, [("a", 9), ("a", 9), ("b", 9), ("d", 4), ("e", 4)]);
    }

    #[test]
    fn values_out_of_range() {
        #[track_caller]
        fn check(expected: bool, change: impl FnOnce(&mut Order)) {
            let mut order = order("o", "n", "c", "1.00");
            change(&mut order);
            assert_eq!(summary(vec![order]).is_ok(), expected);
        }
        check(true, |_| ());
        check(true, |order| order.id = "Az09-".into());
        check(true, |order| order.id = "i".repeat(32));
        check(false, |order| order.id = "i".repeat(33));
        check(false, |order| order.id = "".into());
        check(false, |order| order.id = "a_b".into());
        check(false, |order| order.id = "ä".into());
        check(false, |order| order.customer.name = "".into());
        check(false, |order| order.customer.country = "D".into());
        check(false, |order| order.customer.country = "DEU".into());
        check(false, |order| order.customer.country = "de".into());
        check(true, |order| order.category = "c".repeat(16));
        check(false, |order| order.category = "c".repeat(17));
        check(false, |order| order.category = "C".into());
        check(false, |order| order.category = "".into());
        check(false, |order| order.lines.clear());
        check(false, |order| order.lines[0].sku = "".into());
        check(false, |order| order.lines[0].quantity = 0);
        check(true, |order| order.lines[0].quantity = 1_000);
        check(false, |order| order.lines[0].quantity = 1_001);
    }

    #[test]
    fn prices() {
        #[track_caller]
        fn check(price: &str, expected: Option<u64>) {
            assert_eq!(cents(price).ok(), expected, "{price:?}");
        }
        check("12.34", Some(1_234));
        check("0.00", Some(0));
        check("9999999.99", Some(999_999_999));
        check("10000000.00", None);
        check(".00", None);
        check("1", None);
        check("1.0", None);
        check("1.000", None);
        check("-1.00", None);
        check("1,00", None);
        check("1.-1", None);
        check("", None);
    }
}
