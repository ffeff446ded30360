//! What became of a file of weights, in one line and in full.

use serde::Serialize;

/// Names that a line tells before the rest is counted.
const NAMED: usize = 12;

/// A value of the model that begins with a tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The value.
    pub name: String,
    /// Its type.
    pub ty: String,
    /// The tensor's name in the file; parts of a joint projection have one.
    pub from: String,
    /// Whether its rows became columns.
    pub turned: bool,
    /// The element type in the file, if that is another.
    pub converted: Option<&'static str>,
}

/// What became of a file of weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StartReport {
    /// The file.
    pub file: String,
    /// How many values of the model begin with a tensor of it.
    pub taken: usize,
    /// Values of the model that begin anew, as `skip` says.
    pub fresh: Vec<String>,
    /// Tensors of the file that nothing begins with.
    pub unused: Vec<String>,
    /// Where each value that begins with a tensor has it from.
    #[serde(skip)]
    pub values: Vec<Taken>,
}

impl StartReport {
    /// What the user is told: first what happened, then what may be a mistake.
    pub fn lines(&self) -> Vec<String> {
        let all = self.taken + self.fresh.len();
        let mut text = format!("{} of {all} values begin with {}", self.taken, self.file);
        if !self.fresh.is_empty() {
            text.push_str(&format!("; anew begin {}", listed(&self.fresh)));
        }
        let mut lines = vec![text];
        lines.extend(self.warning().map(|warning| format!("warning: {warning}")));
        lines
    }

    /// All of it as text, for the run's folder.
    pub fn text(&self) -> String {
        let all = self.taken + self.fresh.len();
        let mut text = format!("{} of {all} values begin with {}\n", self.taken, self.file);
        let mut put = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push_str(&format!("\n{title}\n"));
                lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        };
        put("taken", self.values.iter().map(Taken::line).collect());
        put("begin anew", self.fresh.clone());
        put("in the file, and nothing begins with them", self.unused.clone());
        text
    }

    pub(super) fn warning(&self) -> Option<String> {
        let number = self.unused.len();
        let (are, them) =
            if number == 1 { ("tensor", "begins with it") } else { ("tensors", "begins with them") };
        (number > 0)
            .then(|| format!("{number} {are} of {}: nothing {them}: {}", self.file, listed(&self.unused)))
    }
}

impl Taken {
    fn line(&self) -> String {
        let mut line = format!("{} ({}) from {}", self.name, self.ty, self.from);
        if self.turned {
            line.push_str(", turned round");
        }
        if let Some(converted) = self.converted {
            line.push_str(&format!(", was {converted}"));
        }
        line
    }
}

/// Names in a message.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let rest = names.len() - shown.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
