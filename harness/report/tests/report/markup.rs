//! Just enough of a reader of markup to check what the reports write.

/// Elements of HTML that have no end.
const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];

/// A piece of markup.
enum Piece<'a> {
    /// What stands between `<` and `>`.
    Tag(&'a str),
    Text(&'a str),
}

fn pieces(markup: &str) -> Vec<Piece<'_>> {
    let mut out = vec![];
    let mut rest = markup;
    while let Some((text, after)) = rest.split_once('<') {
        out.push(Piece::Text(text));
        let (tag, after) = after.split_once('>').expect("a tag ends");
        out.push(Piece::Tag(tag));
        rest = after;
    }
    out.push(Piece::Text(rest));
    out
}

fn name(tag: &str) -> &str {
    tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default()
}

/// Every element ends, in order; text holds no stray signs; attributes are quoted.
pub(crate) fn assert_balanced(what: &str, markup: &str) {
    let mut open = vec![];
    for piece in pieces(markup) {
        match piece {
            Piece::Tag(tag) if tag.starts_with('/') => {
                assert_eq!(open.pop(), Some(name(tag)), "{what}");
            }
            Piece::Tag(tag) => {
                assert_eq!(tag.matches('"').count() % 2, 0, "{what}: {tag}");
                if !tag.ends_with('/') && !VOID.contains(&name(tag)) {
                    open.push(name(tag));
                }
            }
            Piece::Text(text) => {
                let css = open.last() == Some(&"style");
                assert!(css || !text.contains('>'), "{what}: {text}");
                for entity in text.split('&').skip(1) {
                    let named = ["amp;", "lt;", "gt;", "quot;", "apos;"];
                    assert!(named.iter().any(|n| entity.starts_with(n)), "{what}: &{entity}");
                }
            }
        }
    }
    assert!(open.is_empty(), "{what}: {open:?} not closed");
}

/// The words a reader sees, a line per element that has some; pictures only where all is a picture.
pub(crate) fn words(markup: &str) -> String {
    let skipped = if markup.starts_with("<svg") { "style" } else { "svg" };
    let mut depth = 0;
    let mut out = String::new();
    for piece in pieces(markup) {
        match piece {
            Piece::Tag(tag) if [skipped, "style", "desc"].contains(&name(tag)) => {
                depth += if tag.starts_with('/') { -1 } else { 1 };
            }
            Piece::Tag(_) => {}
            Piece::Text(text) if depth == 0 && !text.trim().is_empty() => {
                out += &unescape(text.trim());
                out.push('\n');
            }
            Piece::Text(_) => {}
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    signs.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

/// A text of a chart and its box.
struct Placed {
    text: String,
    left: f64,
    right: f64,
    y: f64,
    size: f64,
}

fn placed(svg: &str) -> Vec<Placed> {
    let mut out = vec![];
    let mut at = None;
    for piece in pieces(svg) {
        match piece {
            Piece::Tag(tag) => at = (name(tag) == "text" && !tag.starts_with('/')).then_some(tag),
            Piece::Text(text) => {
                let Some(tag) = at else { continue };
                let number = |key| attribute(tag, key).parse::<f64>().expect("a number");
                let class = |is: &dyn Fn(&str) -> bool| {
                    attribute(tag, "class").split(' ').find(|class| is(class))
                };
                let size = class(&|c| c.starts_with('s')).expect("text has a size");
                let size: f64 = size[1..].parse().expect("a number");
                // Upright, text stands on its line; here it is known by its middle.
                let (x, y) = (number("x"), number("y") - (size * 0.36).round());
                let text = unescape(text.trim());
                // About what running text takes in Verdana; the charts themselves reckon with more.
                let em = if class(&|c| c == "b").is_some() { 0.6 } else { 0.52 };
                let width = text.chars().count() as f64 * em * size;
                let left = match class(&|c| ["c", "e"].contains(&c)) {
                    None => x,
                    Some("c") => x - width / 2.0,
                    Some(_) => x - width,
                };
                out.push(Placed { text, left, right: left + width, y, size });
            }
        }
    }
    out
}

fn attribute<'a>(tag: &'a str, key: &str) -> &'a str {
    let start = format!(" {key}=\"");
    tag.split_once(&start).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

/// A line per text: where it is anchored, and what it says.
pub(crate) fn placed_words(svg: &str) -> String {
    placed(svg).iter().map(|p| format!("{:>4} {}\n", p.y, p.text)).collect()
}

/// All text is large enough, inside the picture, and upon no other text.
pub(crate) fn assert_placed(what: &str, svg: &str) {
    let head = svg.split('>').next().unwrap_or_default();
    let size = |key| attribute(head, key).parse::<f64>().expect("a number");
    let (width, height) = (size("width"), size("height"));
    let all = placed(svg);
    for (i, p) in all.iter().enumerate() {
        assert!(p.size >= 10.99, "{what}: {} is small", p.text);
        assert!(p.left >= 0.0 && p.right <= width, "{what}: {} sticks out", p.text);
        assert!(p.y >= 8.0 && p.y <= height - 8.0, "{what}: {} sticks out", p.text);
        for q in &all[..i] {
            let apart = p.left >= q.right || q.left >= p.right || (p.y - q.y).abs() >= 11.0;
            assert!(apart, "{what}: {} lies upon {}", p.text, q.text);
        }
    }
}

/// Text without the escape codes of colours.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}
