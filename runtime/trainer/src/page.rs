//! One page that shows a run: tables and pictures, all inside the file. It loads nothing and runs no script.

use crate::Result;
use crate::pictures::{Picture, base64};
use dlc_runtime::write_atomically;
use std::fmt::Write;
use std::path::Path;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em;color:#222;\
background:#fff}h1{font-size:1.5em}h2{font-size:1.1em;margin:1.6em 0 .4em}table{border-collapse:collapse}\
td,th{padding:.15em 1.4em .15em 0;border-bottom:1px solid #eee}td+td,th{text-align:right;font-variant-numeric:tabular-nums}\
.pictures{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;max-width:calc(50% - .5em)}figcaption{font-weight:600;margin:.8em 0 .2em}\
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

    /// Rows of numbers; one that is absent leaves its cell empty.
    pub(crate) fn table(&mut self, title: &str, columns: &[&str], rows: &[(String, Vec<Option<f64>>)]) {
        let number = |value: &Option<f64>| match value {
            None => String::new(),
            Some(value) if value.is_nan() => "not defined".to_owned(),
            Some(value) => format!("{value:.6}"),
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "<h2>{}</h2>\n<table><tr><th></th>", escaped(title));
        columns.iter().for_each(|column| self.text.push_str(&format!("<th>{}</th>", escaped(column))));
        self.text.push_str("</tr>\n");
        for (name, values) in rows {
            let _ = write!(self.text, "<tr><td>{}</td>", escaped(name));
            values.iter().for_each(|value| self.text.push_str(&format!("<td>{}</td>", number(value))));
            self.text.push_str("</tr>\n");
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
