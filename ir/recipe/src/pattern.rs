//! Patterns of parameter paths: `*` stands for any text, and a layer's path for all of its values.

/// Whether a path fits a pattern, in which `*` stands for any text. A layer's path stands for its values.
pub fn fits(pattern: &str, path: &str) -> bool {
    of_layer(pattern, path).is_some() || captures(pattern, path).is_some()
}

/// What follows a layer's path in the path of one of its values, with its point.
fn of_layer<'a>(layer: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(layer).filter(|rest| rest.starts_with('.'))
}

/// What each `*` of a pattern stands for in a name that fits it; every one but the last as little as possible.
fn captures<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = pattern.split('*');
    let mut rest = name.strip_prefix(pieces.next().unwrap_or(""))?;
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty().then(Vec::new) };
    let mut found = Vec::with_capacity(pieces.len());
    for piece in middle {
        let at = rest.find(piece)?;
        found.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    found.push(rest.strip_suffix(last)?);
    Some(found)
}

/// A rule by which names in a file become paths of the model: `layer1.*.conv* -> stage0.block*.conv*`. The `*` behind
/// the arrow take in turn what those before it stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// The pattern of names in the file.
    pub from: String,
    /// What they become.
    pub to: String,
}

impl Renaming {
    /// Reads `FROM -> TO`.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its text.
    pub fn parse(text: &str) -> Result<Renaming, String> {
        let (from, to) = text.split_once("->").ok_or("has no `->` between a file's name and the model's")?;
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() {
            return Err("has nothing on one side of `->`".to_owned());
        }
        let stars = |text: &str| text.matches('*').count();
        if stars(from) != stars(to) {
            return Err(format!(
                "has {} `*` before the arrow and {} behind it; each behind it takes what its fellow stands for",
                stars(from),
                stars(to)
            ));
        }
        Ok(Renaming { from: from.to_owned(), to: to.to_owned() })
    }

    /// The new name of one that fits.
    pub fn apply(&self, name: &str) -> Option<String> {
        if let Some(found) = captures(&self.from, name) {
            let mut pieces = self.to.split('*');
            let mut renamed = pieces.next().unwrap_or("").to_owned();
            for (piece, text) in pieces.zip(found) {
                renamed.push_str(text);
                renamed.push_str(piece);
            }
            return Some(renamed);
        }
        of_layer(&self.from, name).map(|rest| format!("{}{rest}", self.to))
    }
}

impl std::fmt::Display for Renaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(fits("stem.*", "stem.weight"));
        assert!(fits("*.bias", "stage0.conv1.bias"));
        assert!(fits("stage*.conv*.weight", "stage0.block1.conv1.weight"));
        assert!(fits("stem", "stem.weight"));
        assert!(!fits("stem", "stem_bn.scale"));
        assert!(!fits("stem.*", "stem_bn.scale"));
        assert!(!fits("*.weight", "head.bias"));
        // What one star took cannot be taken by another.
        assert!(!fits("a*a", "a"));
        assert!(fits("a*a", "aa"));
    }

    fn renamed(rule: &str, name: &str) -> Option<String> {
        Renaming::parse(rule).unwrap_or_else(|fault| panic!("{rule} {fault}")).apply(name)
    }

    #[test]
    fn names_become_paths() {
        let rule = "layer1.*.conv*.weight -> stage0.block*.conv*.weight";
        assert_eq!(renamed(rule, "layer1.10.conv2.weight").as_deref(), Some("stage0.block10.conv2.weight"));
        assert_eq!(renamed(rule, "layer1.10.bn2.weight"), None);
        assert_eq!(renamed("fc -> head", "fc.bias").as_deref(), Some("head.bias"));
        assert_eq!(renamed("fc -> head", "fc2.bias"), None);
        assert_eq!(renamed("module.* -> *", "module.a.b").as_deref(), Some("a.b"));
        assert_eq!(renamed("* -> body.*", "a.b").as_deref(), Some("body.a.b"));
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        for rule in ["fc", "fc ->", "-> head", "a.*.* -> b.*", "a -> b.*"] {
            assert!(Renaming::parse(rule).is_err(), "{rule}");
        }
    }
}
