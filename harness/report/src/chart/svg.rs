//! A backend for plotters that writes small SVG: looks are classes, which a page defines once for
//! all its charts, and strokes of one look that follow each other are one path.

use std::convert::Infallible;
use std::fmt::Write as _;

use plotters::backend::DrawingBackend;
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle,
};

use super::palette;
use crate::printable::printable;

/// What is drawn, as elements of SVG.
pub(super) struct Svg<'a> {
    out: &'a mut String,
    size: (i32, i32),
    /// The class of the path that is not yet ended.
    open: Option<String>,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Svg<'a> {
    pub(super) fn new(out: &'a mut String, size: (i32, i32)) -> Self {
        Self { out, size, open: None }
    }

    /// Adds to the open path if that looks the same, else ends it and begins one.
    fn path(&mut self, class: String, data: &str) {
        if self.open.as_ref() != Some(&class) {
            self.close();
            self.push(format_args!("<path class=\"{class}\" d=\""));
            self.open = Some(class);
        }
        self.out.push_str(data);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.out.push_str("\"/>\n");
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        self.out.write_fmt(text).unwrap_or_default();
    }
}

fn ink(color: BackendColor) -> String {
    let faint = match (color.alpha * 10.0).round() as i32 {
        10 => String::new(),
        tenths => format!(" o{tenths}"),
    };
    format!("{}{faint}", palette::class(color.rgb))
}

fn stroke<S: BackendStyle>(kind: &str, style: &S) -> String {
    let width = match style.stroke_width() {
        1 => String::new(),
        width => format!(" w{width}"),
    };
    format!("{kind} {}{width}", ink(style.color()))
}

fn points(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut data = String::new();
    for (i, (x, y)) in points.into_iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        write!(data, "{command}{x} {y}").unwrap_or_default();
    }
    data
}

impl DrawingBackend for Svg<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.size.0.unsigned_abs(), self.size.1.unsigned_abs())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.close();
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(at, (at.0 + 1, at.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        let ((x0, y0), (x1, y1)) = (from, to);
        let data = match () {
            () if y0 == y1 => format!("M{x0} {y0}H{x1}"),
            () if x0 == x1 => format!("M{x0} {y0}V{y1}"),
            () => points([from, to]),
        };
        self.path(stroke("l", style), &data);
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        _: bool,
    ) -> Drawn {
        let class = format!("f {}", ink(style.color()));
        self.path(class, &format!("M{x0} {y0}H{x1}V{y1}H{x0}z"));
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let path: Vec<BackendCoord> = path.into_iter().collect();
        if let [from, to] = path[..]
            && (from.0 == to.0 || from.1 == to.1)
        {
            return self.draw_line(from, to, style);
        }
        self.path(stroke("y", style), &points(path));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        _: bool,
    ) -> Drawn {
        self.close();
        let ink = ink(style.color());
        self.push(format_args!("<circle class=\"{ink}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>\n"));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.path(ink(style.color()), &format!("{}z", points(corners)));
        Ok(())
    }

    /// The anchor's height is the middle of the text.
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        self.close();
        let size = style.size().round() as i32;
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " c",
            HPos::Right => " e",
        };
        let bold = if matches!(style.style(), FontStyle::Bold) { " b" } else { "" };
        let ink = ink(style.color());
        // Half the height of a capital below the middle: not all renderers know dominant-baseline.
        let y = y + (style.size() * 0.36).round() as i32;
        let text = escape(text);
        self.push(format_args!(
            "<text class=\"{ink} s{size}{bold}{anchor}\" x=\"{x}\" y=\"{y}\">{text}</text>\n"
        ));
        Ok(())
    }
}

/// Text as SVG holds it: XML allows no control characters, whatever they are written as.
pub(super) fn escape(text: &str) -> String {
    let text = printable(text).replace(['\u{fffe}', '\u{ffff}'], " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The looks of all charts, but for colours.
pub(super) fn css() -> String {
    let mut css = ".duet text{font-family:Verdana,DejaVu Sans,sans-serif}\
                   .duet *{fill:currentColor}\
                   .duet .l,.duet .y{fill:none;stroke:currentColor}\
                   .duet .y{stroke-linejoin:round}\
                   .duet .l,.duet .f{shape-rendering:crispEdges}\
                   .duet .b{font-weight:bold}\
                   .duet .c{text-anchor:middle}.duet .e{text-anchor:end}\
                   .duet .o3{opacity:.3}.duet .o6{opacity:.6}"
        .to_owned();
    for width in 2..=4 {
        css += &format!(".duet .w{width}{{stroke-width:{width}px}}");
    }
    for size in [11, 12, 13, 16, 17, 20] {
        css += &format!(".duet .s{size}{{font-size:{size}px}}");
    }
    css + "\n"
}
