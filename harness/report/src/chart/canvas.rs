//! Plotters' SVG backend, with text that is placed by anchors and measured by a table of widths.
//!
//! Without system fonts plotters only guesses the size of text, so nothing here lets it lay text
//! out: words get a position, an anchor and the room they may take, and are cut where they do not
//! fit.

use std::fmt::Debug;

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, ShapeStyle, TextStyle};

use super::palette::{self, Ink, Mark, PAPER, Shape};

/// The benchmarks game's font, and its free twin of the same widths.
const FONT: &str = "Verdana, DejaVu Sans, sans-serif";

/// What a picture is called and says, for those who cannot see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caption<'a> {
    /// Unique among the pictures of a page; letters, digits and hyphens.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
}

/// Which end of a text its position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) ink: Ink,
}

/// A picture while it is painted. Coordinates are pixels from the upper left corner.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// Paints a picture of its own: with a background, and colours for dark surroundings.
pub(crate) fn picture(
    size: (i32, i32),
    caption: Caption<'_>,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> String {
    let head = format!(
        "<style>line, rect {{ shape-rendering: crispEdges }}\n{}</style>\n\
         <rect width=\"{}\" height=\"{}\" rx=\"8\" fill=\"{}\"/>\n",
        palette::dark_css(),
        size.0,
        size.1,
        PAPER.hex()
    );
    svg(size, caption, &head, paint)
}

/// Paints a picture that is part of a page, on the page's background and with the page's styles.
pub(crate) fn inset(
    size: (i32, i32),
    caption: Caption<'_>,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> String {
    svg(size, caption, "", paint)
}

fn svg(
    (width, height): (i32, i32),
    caption: Caption<'_>,
    head: &str,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> String {
    let mut drawn = String::new();
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut drawn, (width.unsigned_abs(), height.unsigned_abs())),
    };
    paint(&mut canvas);
    done(canvas.backend.present());
    drop(canvas);
    // Plotters writes the opening tag first; ours says what the picture is for screen readers.
    let shapes = drawn.split_once(">\n").map_or("", |(_, shapes)| shapes);
    let Caption { id, title, description } = caption;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{head}{shapes}",
        escape(title),
        escape(description)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Plotters' backends report errors of their target, and the target is a string.
fn done<E: Debug>(result: Result<(), E>) {
    result.expect("writing to a string does not fail");
}

impl Canvas<'_> {
    pub(crate) fn line(&mut self, from: (i32, i32), to: (i32, i32), width: u32, ink: Ink) {
        done(self.backend.draw_line(from, to, &stroke(width, ink)));
    }

    /// A broad, faint line.
    pub(crate) fn bar(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        let style = ShapeStyle { color: ink.rgb().mix(0.3), filled: false, stroke_width: 4 };
        done(self.backend.draw_line(from, to, &style));
    }

    pub(crate) fn path(&mut self, points: Vec<(i32, i32)>, width: u32, ink: Ink) {
        done(self.backend.draw_path(points, &stroke(width, ink)));
    }

    pub(crate) fn rect(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        done(self.backend.draw_rect(from, to, &ink.rgb(), true));
    }

    /// A faint dot: many of them may lie upon each other.
    pub(crate) fn dot(&mut self, at: (i32, i32), radius: u32, ink: Ink) {
        done(self.backend.draw_circle(at, radius, &ink.rgb().mix(0.6), true));
    }

    /// A mark, filled or hollow, with a hair of paper around it. `radius` is that of the circle;
    /// the other shapes have about its area.
    pub(crate) fn mark(&mut self, at: (i32, i32), radius: i32, mark: Mark, hollow: bool) {
        self.shape(at, radius + 1, mark.shape, PAPER);
        self.shape(at, radius, mark.shape, mark.ink);
        if hollow {
            self.shape(at, radius - 2, mark.shape, PAPER);
        }
    }

    fn shape(&mut self, (x, y): (i32, i32), r: i32, shape: Shape, ink: Ink) {
        match shape {
            Shape::Circle => {
                done(self.backend.draw_circle((x, y), r.unsigned_abs(), &ink.rgb(), true));
            }
            Shape::Square => self.rect((x - r, y - r), (x + r, y + r), ink),
            Shape::Diamond => {
                let r = r + 1;
                let corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
                done(self.backend.fill_polygon(corners, &ink.rgb()));
            }
            Shape::Triangle => {
                let corners = [(x, y - r - 1), (x + r + 1, y + r), (x - r - 1, y + r)];
                done(self.backend.fill_polygon(corners, &ink.rgb()));
            }
        }
    }

    /// Writes `text` so that `at` is its anchor horizontally and its middle vertically, cut to
    /// `room` pixels. Returns the width it takes.
    pub(crate) fn text(
        &mut self,
        at: (i32, i32),
        anchor: Anchor,
        room: i32,
        look: Type,
        text: &str,
    ) -> i32 {
        let text = cut(text, room, look);
        let h = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        // The backend divides sizes by 1.24, plotters' ratio of line height to font size.
        let font = (FONT, look.size * 1.24, style);
        let ink = look.ink.rgb();
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(h, VPos::Center));
        done(self.backend.draw_text(&text, &style, at));
        width(&text, look)
    }
}

fn stroke(width: u32, ink: Ink) -> ShapeStyle {
    ShapeStyle { color: ink.rgb().to_rgba(), filled: false, stroke_width: width }
}

/// `text`, or as much of it as fits into `room` pixels with an ellipsis: of a sentence at its end,
/// of a name in its middle, since names of versions and sets differ at either end.
pub(crate) fn cut(text: &str, room: i32, look: Type) -> String {
    if width(text, look) <= room {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let is_name = !text.contains(' ');
    let shortened = |kept: usize| {
        let behind = if is_name { kept / 2 } else { 0 };
        let before: String = chars[..kept - behind].iter().collect();
        let behind: String = chars[chars.len() - behind..].iter().collect();
        format!("{}…{behind}", before.trim_end())
    };
    let fits = |text: &String| width(text, look) <= room;
    (0..chars.len()).rev().map(shortened).find(fits).unwrap_or_default()
}

/// `text` in lines of at most `room` pixels, broken at spaces.
pub(crate) fn wrap(text: &str, room: i32, look: Type) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), look) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The width of `text` in pixels, by the advance widths of Verdana and DejaVu Sans, whichever is
/// wider, in classes. Other fonts of the stack are narrower.
pub(crate) fn width(text: &str, look: Type) -> i32 {
    let em: f64 = text.chars().map(advance).sum();
    let bold = if look.bold { 1.13 } else { 1.0 };
    (em * bold * look.size).ceil() as i32
}

/// A character's advance in em.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' => 0.35,
        ' ' | '\u{a0}' | '.' | ',' | ':' | 'f' | 't' | 'I' | '|' | '·' => 0.40,
        '(' | ')' | '[' | ']' | '-' | '/' | 'r' | '"' => 0.46,
        'm' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        'w' | '×' | '+' | '=' | '<' | '>' | '_' | '–' => 0.84,
        'c' | 's' | 'z' => 0.55,
        c if c.is_ascii_uppercase() => 0.78,
        c if c.is_ascii() || ('\u{a0}'..='\u{24f}').contains(&c) => 0.64,
        // Other scripts: as wide as high.
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::SMALL;
    use super::*;

    #[test]
    fn cuts() {
        let cases = [
            ("mine@3f2a9c1", "mine@3f2a9c1", "mine…9c1"),
            ("a few words here", "a few words here", "a few word…"),
            ("", "", ""),
        ];
        for (text, whole, part) in cases {
            assert_eq!(cut(text, width(text, SMALL), SMALL), whole);
            assert_eq!(cut(text, width(text, SMALL) * 3 / 4, SMALL), part);
        }
        assert_eq!(cut("mine", 1, SMALL), "");
    }
}
