//! One page that shows a run: tables and pictures, all inside the file. It loads nothing and runs no script.

use crate::Result;
use crate::pictures::{Picture, base64};
use crate::report::Measures;
use dlc_runtime::write_atomically;
use std::fmt::Write;
use std::path::Path;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1180px;padding:0 1em;color:#222;\
background:#fff}h1{font-size:1.5em}h2{font-size:1.1em;margin:1.6em 0 .4em}table{border-collapse:collapse}\
td{padding:.15em 1.2em .15em 0;border-bottom:1px solid #eee}td+td{text-align:right;font-variant-numeric:tabular-nums}\
.pictures{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0}figcaption{font-weight:600;margin:.8em 0 .2em}\
img,svg{max-width:100%;height:auto;border:1px solid #eee}";

/// A page under construction.
pub(crate) struct Page {
    text: String,
}

/// Text without what a page would read as marks.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Page {
    pub(crate) fn new(title: &str) -> Page {
        let title = escaped(title);
        let text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n\
             <h1>{title}</h1>\n"
        );
        Page { text }
    }

    /// Names and numbers.
    pub(crate) fn table(&mut self, title: &str, measures: &Measures) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "<h2>{}</h2>\n<table>", escaped(title));
        for (name, value) in &measures.0 {
            let value = if value.is_nan() { "not defined".to_owned() } else { format!("{value:.6}") };
            let _ = writeln!(self.text, "<tr><td>{}</td><td>{value}</td></tr>", escaped(name));
        }
        self.text.push_str("</table>\n");
    }

    /// Pictures with their titles: those of strokes as SVG, those of pixels as PNG.
    pub(crate) fn pictures(&mut self, pictures: &[Picture]) {
        self.text.push_str("<div class=\"pictures\">\n");
        for picture in pictures {
            let _ = writeln!(self.text, "<figure><figcaption>{}</figcaption>", escaped(&picture.title));
            if picture.is_image {
                let (width, height) = picture.size;
                let png = base64(&picture.png);
                let _ = writeln!(
                    self.text,
                    "<img width=\"{width}\" height=\"{height}\" alt=\"{}\" src=\"data:image/png;base64,{png}\">",
                    escaped(&picture.title)
                );
            } else {
                self.text.push_str(&picture.svg);
            }
            self.text.push_str("</figure>\n");
        }
        self.text.push_str("</div>\n");
    }

    /// Writes the file.
    pub(crate) fn write(mut self, path: &Path) -> Result<()> {
        self.text.push_str("</body></html>\n");
        Ok(write_atomically(path, self.text.as_bytes())?)
    }
}
