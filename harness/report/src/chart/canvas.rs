//! What charts are painted with: plotters' elements, and text that is placed by anchors and
//! measured by a table of widths.
//!
//! Without system fonts plotters only guesses the size of text, so nothing here lets it lay text
//! out: words get a position, an anchor and the room they may take, and are cut where they do not
//! fit.

use std::fmt::Debug;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, ShapeStyle, TextStyle};

use super::palette::{self, Ink, Mark, PAPER, Shape};
use super::svg::{self, Svg, escape};

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it is called.
    pub title: String,
    /// What it shows, for those who cannot see it.
    pub description: String,
    /// Width and height in pixels.
    pub size: (i32, i32),
    shapes: String,
}

/// The styles of all pictures in a page.
pub(crate) fn css() -> String {
    svg::css() + &palette::css()
}

impl Picture {
    /// As a file of its own: with a background, and colours for light and dark surroundings.
    #[must_use]
    pub fn file(&self) -> String {
        let (width, height) = self.size;
        let paper = palette::class_of(PAPER);
        let paper =
            format!("<rect class=\"{paper}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n");
        self.svg(&format!("<style>{}</style>\n{paper}", css()))
    }

    /// As a part of a page, on its background and with its styles.
    pub(crate) fn inline(&self) -> String {
        self.svg("")
    }

    fn svg(&self, head: &str) -> String {
        let Self { title, description, size: (width, height), shapes } = self;
        format!(
            "<svg class=\"duet\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{}</title>\n<desc>{}</desc>\n{head}{shapes}</svg>\n",
            escape(title),
            escape(description)
        )
    }
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
    area: DrawingArea<Svg<'a>, Shift>,
}

/// Paints a picture of so many pixels.
pub(crate) fn picture(
    size: (i32, i32),
    title: &str,
    description: &str,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> Picture {
    let mut shapes = String::new();
    let mut canvas = Canvas { area: Svg::new(&mut shapes, size).into_drawing_area() };
    paint(&mut canvas);
    done(canvas.area.present());
    drop(canvas);
    Picture { title: title.to_owned(), description: description.to_owned(), size, shapes }
}

/// Plotters' backends report errors of their target, and the target is a string.
fn done<E: Debug>(result: Result<(), E>) {
    result.expect("writing to a string does not fail");
}

impl Canvas<'_> {
    pub(crate) fn line(&mut self, from: (i32, i32), to: (i32, i32), width: u32, ink: Ink) {
        self.path(vec![from, to], width, ink);
    }

    /// A broad, faint line.
    pub(crate) fn bar(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        let style = ShapeStyle { color: ink.rgb().mix(0.3), filled: false, stroke_width: 4 };
        done(self.area.draw(&PathElement::new(vec![from, to], style)));
    }

    pub(crate) fn path(&mut self, points: Vec<(i32, i32)>, width: u32, ink: Ink) {
        let style = ShapeStyle { color: ink.rgb().to_rgba(), filled: false, stroke_width: width };
        if !points.is_empty() {
            done(self.area.draw(&PathElement::new(points, style)));
        }
    }

    /// A thin, faint line: many of them may lie upon each other.
    pub(crate) fn faint_path(&mut self, points: Vec<(i32, i32)>, ink: Ink) {
        let style = ShapeStyle { color: ink.rgb().mix(0.3), filled: false, stroke_width: 1 };
        if !points.is_empty() {
            done(self.area.draw(&PathElement::new(points, style)));
        }
    }

    pub(crate) fn rect(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        done(self.area.draw(&Rectangle::new([from, to], ink.rgb().filled())));
    }

    /// A faint dot: many of them may lie upon each other.
    pub(crate) fn dot(&mut self, at: (i32, i32), radius: i32, ink: Ink) {
        done(self.area.draw(&Circle::new(at, radius, ink.rgb().mix(0.6).filled())));
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
                done(self.area.draw(&Circle::new((x, y), r, ink.rgb().filled())));
            }
            Shape::Square => self.rect((x - r, y - r), (x + r, y + r), ink),
            Shape::Diamond => {
                let r = r + 1;
                let corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
                done(self.area.draw(&Polygon::new(corners.to_vec(), ink.rgb().filled())));
            }
            Shape::Triangle => {
                let corners = [(x, y - r - 1), (x + r + 1, y + r), (x - r - 1, y + r)];
                done(self.area.draw(&Polygon::new(corners.to_vec(), ink.rgb().filled())));
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
        let font = ("sans-serif", look.size, style);
        let ink = look.ink.rgb();
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(h, VPos::Center));
        done(self.area.draw_text(&text, &style, at));
        width(&text, look)
    }
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
    use super::super::typography::SMALL;
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
