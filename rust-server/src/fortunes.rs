//! The page of fortunes.

use std::fmt::Write;

/// A row of the table `fortune`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fortune {
    /// Its number.
    pub id: i32,
    /// What it says.
    pub message: String,
}

impl Fortune {
    /// The one that is no row.
    #[must_use]
    pub fn added() -> Fortune {
        Fortune { id: 0, message: "Additional fortune added at request time.".to_owned() }
    }
}

/// The page with all of them, in ascending order of their messages' bytes.
#[must_use]
pub fn page(mut all: Vec<Fortune>) -> String {
    all.sort_by(|a, b| a.message.cmp(&b.message));
    let mut page = "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>\
         <tr><th>id</th><th>message</th></tr>"
        .to_owned();
    for fortune in &all {
        // Writing to a string does not fail.
        let _ = write!(page, "<tr><td>{}</td><td>", fortune.id);
        for character in fortune.message.chars() {
            match character {
                '&' => page.push_str("&amp;"),
                '<' => page.push_str("&lt;"),
                '>' => page.push_str("&gt;"),
                '"' => page.push_str("&quot;"),
                '\'' => page.push_str("&#39;"),
                other => page.push(other),
            }
        }
        page.push_str("</td></tr>");
    }
    page.push_str("</table></body></html>");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_escaped() {
        let fortune = |id, message: &str| Fortune { id, message: message.to_owned() };
        let page =
            page(vec![fortune(2, "b<&>\"'"), fortune(1, "é"), fortune(3, "B"), Fortune::added()]);
        let rows = "<tr><td>0</td><td>Additional fortune added at request time.</td></tr>\
            <tr><td>3</td><td>B</td></tr>\
            <tr><td>2</td><td>b&lt;&amp;&gt;&quot;&#39;</td></tr>\
            <tr><td>1</td><td>é</td></tr></table></body></html>";
        assert!(page.starts_with("<!DOCTYPE html><html><head>") && page.ends_with(rows), "{page}");
    }
}
