//! `POST /orders`: decoded orders in, their summary out.
//!
//! The types are what both decoders (`json` and serde) produce. What a value may be is checked
//! here, once for both.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::answer::BadRequest;
use crate::decimal;

/// How many orders the summary names.
const TOP: usize = 5;

/// An order as decoded. Text without escapes is borrowed from the body.
#[derive(Debug)]
#[cfg_attr(feature = "axum", derive(serde::Deserialize))]
pub struct Order<'a> {
    /// 1 to 32 characters of `A-Z a-z 0-9 -`.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub id: Cow<'a, str>,
    /// Who ordered.
    #[cfg_attr(feature = "axum", serde(borrow, deserialize_with = "crate::json_serde::object"))]
    pub customer: Customer<'a>,
    /// 1 to 16 characters of `a-z`.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub category: Cow<'a, str>,
    /// Absent or `null` means no.
    pub paid: Option<bool>,
    /// At least one.
    #[cfg_attr(feature = "axum", serde(borrow, deserialize_with = "crate::json_serde::objects"))]
    pub lines: Vec<Line<'a>>,
}

/// Who ordered.
#[derive(Debug)]
#[cfg_attr(feature = "axum", derive(serde::Deserialize))]
pub struct Customer<'a> {
    /// Not empty.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub name: Cow<'a, str>,
    /// 2 characters of `A-Z`.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub country: Cow<'a, str>,
}

/// What was ordered.
#[derive(Debug)]
#[cfg_attr(feature = "axum", derive(serde::Deserialize))]
pub struct Line<'a> {
    /// Not empty.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub sku: Cow<'a, str>,
    /// From 1 to 1,000.
    pub quantity: u32,
    /// 1 to 7 digits, `.`, 2 digits.
    #[cfg_attr(feature = "axum", serde(borrow))]
    pub price: Cow<'a, str>,
}

/// The answer.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "axum", derive(serde::Serialize))]
pub struct Summary<'a> {
    /// Orders.
    pub count: usize,
    /// Orders that are not paid.
    pub unpaid: usize,
    /// Distinct names of customers.
    pub customers: usize,
    /// Sum of the amounts of all orders.
    pub sum_cents: u64,
    /// The same for each category, in ascending order of bytes.
    pub by_category: BTreeMap<&'a str, u64>,
    /// The orders with the highest amounts: at most five, highest first, then by id, then as they
    /// came.
    pub top5: Vec<Top<'a>>,
}

/// One of the orders with the highest amounts.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "axum", derive(serde::Serialize))]
pub struct Top<'a> {
    /// Of the order.
    pub id: &'a str,
    /// Its amount.
    pub cents: u64,
}

/// Checks the orders and sums them up.
pub fn summary<'a>(orders: &'a [Order<'_>]) -> Result<Summary<'a>, BadRequest> {
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
        check_texts(order)?;
        let cents = amount(&order.lines)?;
        summary.unpaid += usize::from(order.paid != Some(true));
        customers.insert(&*order.customer.name);
        summary.sum_cents += cents;
        *summary.by_category.entry(&order.category).or_default() += cents;
        rank(&mut summary.top5, Top { id: &order.id, cents });
    }
    summary.customers = customers.len();
    Ok(summary)
}

fn check_texts(order: &Order<'_>) -> Result<(), BadRequest> {
    let within = |text: &str, length_max: usize, allowed: fn(u8) -> bool| {
        (1..=length_max).contains(&text.len()) && text.bytes().all(allowed)
    };
    let right = within(&order.id, 32, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && within(&order.category, 16, |byte| byte.is_ascii_lowercase())
        && within(&order.customer.country, 2, |byte| byte.is_ascii_uppercase())
        && order.customer.country.len() == 2
        && !order.customer.name.is_empty();
    if right { Ok(()) } else { Err(BadRequest) }
}

/// Cents. A body holds fewer than 100,000 lines of at most 10¹² cents: it fits.
fn amount(lines: &[Line<'_>]) -> Result<u64, BadRequest> {
    if lines.is_empty() {
        return Err(BadRequest);
    }
    lines.iter().try_fold(0, |sum, line| {
        if line.sku.is_empty() || !(1..=1_000).contains(&line.quantity) {
            return Err(BadRequest);
        }
        Ok(sum + u64::from(line.quantity) * cents(&line.price)?)
    })
}

fn cents(price: &str) -> Result<u64, BadRequest> {
    match price.as_bytes() {
        [whole @ .., b'.', tens, ones] if whole.len() <= 7 => {
            Ok(decimal::natural(whole)? * 100 + decimal::natural(&[*tens, *ones])?)
        }
        _ => Err(BadRequest),
    }
}

/// Puts an order where it belongs among the highest.
fn rank<'a>(top: &mut Vec<Top<'a>>, order: Top<'a>) {
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

    fn order<'a>(id: &'a str, name: &'a str, category: &'a str, price: &'a str) -> Order<'a> {
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
        let summary = summary(&[]).unwrap();
        assert_eq!((summary.count, summary.customers, summary.sum_cents), (0, 0, 0));
        assert!(summary.by_category.is_empty() && summary.top5.is_empty());
    }

    #[test]
    fn sums() {
        let mut orders = [
            order("a", "x", "b", "1.00"),
            order("b", "y", "a", "2.50"),
            order("c", "x", "b", "0.01"),
        ];
        orders[1].paid = Some(true);
        orders[2].paid = Some(false);
        let summary = summary(&orders).unwrap();
        assert_eq!((summary.count, summary.unpaid, summary.customers), (3, 2, 2));
        assert_eq!(summary.sum_cents, 702);
        assert_eq!(summary.by_category.into_iter().collect::<Vec<_>>(), [("a", 500), ("b", 202)]);
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
        fn check(expected: bool, change: impl FnOnce(&mut Order<'static>)) {
            let mut order = order("o", "n", "c", "1.00");
            change(&mut order);
            assert_eq!(summary(&[order]).is_ok(), expected);
        }
        check(true, |_| ());
        check(true, |order| order.id = "Az09-".into());
        check(true, |order| order.id = "i".repeat(32).into());
        check(false, |order| order.id = "i".repeat(33).into());
        check(false, |order| order.id = "".into());
        check(false, |order| order.id = "a_b".into());
        check(false, |order| order.id = "ä".into());
        check(false, |order| order.customer.name = "".into());
        check(false, |order| order.customer.country = "D".into());
        check(false, |order| order.customer.country = "DEU".into());
        check(false, |order| order.customer.country = "de".into());
        check(true, |order| order.category = "c".repeat(16).into());
        check(false, |order| order.category = "c".repeat(17).into());
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
        fn check(price: &str, expected: Result<u64, BadRequest>) {
            assert_eq!(cents(price), expected, "{price:?}");
        }
        check("12.34", Ok(1_234));
        check("0.00", Ok(0));
        check("9999999.99", Ok(999_999_999));
        check("10000000.00", Err(BadRequest));
        check(".00", Err(BadRequest));
        check("1", Err(BadRequest));
        check("1.0", Err(BadRequest));
        check("1.000", Err(BadRequest));
        check("-1.00", Err(BadRequest));
        check("1,00", Err(BadRequest));
        check("1.-1", Err(BadRequest));
        check("", Err(BadRequest));
    }
}
