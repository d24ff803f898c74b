//! Colours and shapes: safe for the colour-blind, told apart by shape too, legible on light and
//! dark.

use plotters::style::RGBColor;

use duet_analysis::{Analysis, Arm};

/// A colour by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    /// Its name among the classes of a picture.
    class: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

/// What the picture stands on.
pub(crate) const PAPER: Ink = Ink { class: "p", light: (255, 255, 255), dark: (13, 17, 23) };
/// Words and numbers.
pub(crate) const TEXT: Ink = Ink { class: "t", light: (31, 35, 40), dark: (230, 237, 243) };
/// Small print: 4.5 to 1 against the paper and more.
pub(crate) const MUTED: Ink = Ink { class: "m", light: (89, 99, 110), dark: (145, 152, 161) };
/// Grid lines: #ccc, as in the benchmarks game's charts.
pub(crate) const GRID: Ink = Ink { class: "g", light: (204, 204, 204), dark: (61, 68, 77) };
/// Rules between rows.
pub(crate) const RULE: Ink = Ink { class: "r", light: (234, 238, 242), dark: (33, 38, 45) };
/// The band of ties.
pub(crate) const BAND: Ink = Ink { class: "n", light: (221, 227, 233), dark: (48, 54, 61) };

/// Okabe and Ito's palette ("Color Universal Design", 2008), vermillion and blue first; its yellow
/// and black are left out, which drown in light and dark paper. On dark paper the blue and the
/// green are lighter.
pub(super) const LANGUAGES: [Ink; 6] = [
    Ink { class: "i0", light: (213, 94, 0), dark: (240, 124, 45) },
    Ink { class: "i1", light: (0, 114, 178), dark: (77, 163, 224) },
    Ink { class: "i2", light: (0, 158, 115), dark: (38, 190, 146) },
    Ink { class: "i3", light: (204, 121, 167), dark: (222, 145, 188) },
    Ink { class: "i4", light: (230, 159, 0), dark: (236, 170, 30) },
    Ink { class: "i5", light: (86, 180, 233), dark: (120, 200, 245) },
];

/// What a verdict is drawn in: good, open and bad, told apart by shape too.
pub(crate) const GOOD: Mark = Mark { ink: LANGUAGES[2], shape: Shape::Circle };
pub(crate) const OPEN: Mark = Mark { ink: LANGUAGES[4], shape: Shape::Square };
pub(crate) const BAD: Mark = Mark { ink: LANGUAGES[0], shape: Shape::Diamond };
pub(crate) const PLAIN: Mark = Mark { ink: MUTED, shape: Shape::Circle };

const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Diamond, Shape::Triangle];

/// The form of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Diamond,
    Triangle,
}

/// How an arm is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) ink: Ink,
    pub(crate) shape: Shape,
}

impl Ink {
    /// The colour as it is written into the picture.
    pub(crate) fn rgb(self) -> RGBColor {
        let (r, g, b) = self.light;
        RGBColor(r, g, b)
    }
}

/// All of them.
fn inks() -> impl Iterator<Item = Ink> {
    [PAPER, TEXT, MUTED, GRID, RULE, BAND].into_iter().chain(LANGUAGES)
}

/// The class of a colour, by what is written into a picture.
pub(super) fn class(rgb: (u8, u8, u8)) -> &'static str {
    inks().find(|ink| ink.light == rgb).unwrap_or(TEXT).class
}

pub(super) fn class_of(ink: Ink) -> &'static str {
    ink.class
}

/// The marks of a matchup's arms: by language, in the order in which languages occur among the
/// servers. The second of two arms in one language gets the next shape in the same colour.
pub(crate) fn marks(analysis: &Analysis, languages: &[&str]) -> Vec<Mark> {
    let mut known: Vec<&str> = vec![];
    let all = analysis.servers.iter().map(|s| s.language.as_str()).chain(languages.iter().copied());
    for language in all {
        if !known.contains(&language) {
            known.push(language);
        }
    }
    marks_among(&known, languages)
}

fn marks_among(known: &[&str], languages: &[&str]) -> Vec<Mark> {
    let mark = |(arm, language): (usize, &&str)| {
        // The callers have put every language of `languages` into `known`.
        let place = known.iter().position(|k| k == language).unwrap_or_default();
        let alike = languages.iter().take(arm).filter(|l| *l == language).count();
        Mark {
            ink: LANGUAGES[place % LANGUAGES.len()],
            shape: SHAPES[(place + 2 * alike) % SHAPES.len()],
        }
    };
    languages.iter().enumerate().map(mark).collect()
}

/// The marks of arms apart from any run: by language, in the order in which they have them.
pub(super) fn marks_by_language(arms: &[Arm]) -> Vec<Mark> {
    let languages: Vec<&str> = arms.iter().map(|arm| arm.language.as_str()).collect();
    let mut known: Vec<&str> = vec![];
    for language in &languages {
        if !known.contains(language) {
            known.push(language);
        }
    }
    marks_among(&known, &languages)
}

/// The colours of the classes, dark where the reader prefers that.
///
/// A picture that a page shows with `<img>` follows the system's preference as an inline one does.
pub(super) fn css() -> String {
    let rule = |class: &str, (r, g, b): (u8, u8, u8)| {
        format!(".duet .{class}{{color:#{r:02x}{g:02x}{b:02x}}}")
    };
    let light: String = inks().map(|ink| rule(ink.class, ink.light)).collect();
    let dark: String = inks().map(|ink| rule(ink.class, ink.dark)).collect();
    format!("{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n")
}
