//! What a search tries: values of settings, and which of their combinations.
//!
//! A *dimension* is a setting with a list of values or a range of numbers. All combinations of lists are a grid, in
//! the order of the dimensions with the last one running fastest; a number of combinations drawn by the seed is
//! a random search (Bergstra, Bengio, "Random Search for Hyper-Parameter Optimization", 2012), for which ranges
//! are made.

use crate::DriverError;
use dlc_types::random::Stream;
use std::collections::BTreeSet;

/// Names this use of the seed.
const STREAM: u32 = 0xD1C0_0005;
/// Combinations that a search may have.
const MOST: usize = 10_000;
/// Draws per wanted combination before what is left counts as exhausted.
const DRAWS: usize = 64;

/// A setting and what is tried for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The setting as `--set` knows it, such as `train.optimizer.lr`.
    pub key: String,
    /// Its values.
    pub values: Values,
}

/// What is tried for a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These, as they would be written.
    List(Vec<String>),
    /// Numbers from `low` to `high`; by their logarithm where `logarithmic`.
    Range {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether factors count alike, and not distances.
        logarithmic: bool,
        /// Whether they are whole.
        whole: bool,
    },
}

/// One combination: the settings in the order of the dimensions.
pub type Candidate = Vec<(String, String)>;

impl Dimension {
    /// A dimension as the command line writes it: `KEY=A,B,C`, `KEY=LOW..HIGH` or `KEY=LOW..HIGH:log`. Commas in
    /// brackets and quotes belong to a value.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Dimension, String> {
        let (key, values) = text.split_once('=').ok_or("write KEY=VALUE,VALUE or KEY=LOW..HIGH")?;
        let (key, values) = (key.trim().to_owned(), values.trim());
        if key.is_empty() || values.is_empty() {
            return Err("write KEY=VALUE,VALUE or KEY=LOW..HIGH".to_owned());
        }
        let values = match range(values)? {
            Some(range) => range,
            None => Values::List(list(values)?),
        };
        Ok(Dimension { key, values })
    }

    fn draw(&self, stream: &mut Stream) -> String {
        match &self.values {
            Values::List(values) => {
                let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
                values.get(stream.below(count) as usize).cloned().unwrap_or_default()
            }
            Values::Range { low, high, logarithmic, whole } => {
                let share = f64::from(stream.unit());
                // A whole range has its greatest number with the weight of the others.
                let (low, high) = if *whole { (*low - 0.5, *high + 0.499) } else { (*low, *high) };
                let value = if *logarithmic {
                    (low.ln() + share * (high.ln() - low.ln())).exp()
                } else {
                    low + share * (high - low)
                };
                if *whole { format!("{:.0}", value.round()) } else { format!("{value:.3e}") }
            }
        }
    }
}

/// `LOW..HIGH` with `:log`, if that is what the text is.
fn range(text: &str) -> Result<Option<Values>, String> {
    let (bounds, logarithmic) = match text.strip_suffix(":log") {
        Some(bounds) => (bounds, true),
        None => (text, false),
    };
    let Some((low, high)) = bounds.split_once("..") else {
        return if logarithmic { Err("`:log` stands behind LOW..HIGH".to_owned()) } else { Ok(None) };
    };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    let (Some(least), Some(greatest)) = (number(low), number(high)) else {
        return Err(format!("`{bounds}` is no range of numbers"));
    };
    if least >= greatest {
        return Err(format!("the range {bounds} is empty"));
    }
    let whole = [low, high].iter().all(|text| text.trim().parse::<i64>().is_ok());
    if logarithmic && least < if whole { 1.0 } else { f64::MIN_POSITIVE } {
        return Err(format!("a logarithmic range begins above 0, not at {}", low.trim()));
    }
    Ok(Some(Values::Range { low: least, high: greatest, logarithmic, whole }))
}

/// Values between the commas that stand in no bracket and no quotes.
fn list(text: &str) -> Result<Vec<String>, String> {
    let (mut values, mut depth, mut quoted) = (vec![String::new()], 0usize, false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth = depth.saturating_sub(1),
            ',' if depth == 0 && !quoted => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        values.last_mut().into_iter().for_each(|value| value.push(letter));
    }
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    let distinct: BTreeSet<&String> = values.iter().collect();
    match values.iter().any(String::is_empty) {
        true => Err(format!("`{text}` has an empty value")),
        false if distinct.len() < values.len() => Err(format!("`{text}` has a value twice")),
        false => Ok(values),
    }
}

/// The combinations that are tried: all of them, or `random` of them by the seed.
pub(super) fn candidates(
    space: &[Dimension],
    random: Option<usize>,
    seed: u64,
) -> Result<Vec<Candidate>, DriverError> {
    let fault = |text: String| Err(DriverError::User(text));
    let mut keys = BTreeSet::new();
    if let Some(twice) = space.iter().find(|dimension| !keys.insert(&dimension.key)) {
        return fault(format!("`{}` is tried twice; give all of its values at once", twice.key));
    }
    if space.is_empty() {
        return fault("there is nothing to try; give `--try KEY=VALUE,VALUE`".to_owned());
    }
    match random {
        Some(count) if count > MOST => fault(format!("{count} combinations are more than {MOST}")),
        Some(count) => Ok(drawn(space, count, seed)),
        None => grid(space),
    }
}

fn drawn(space: &[Dimension], count: usize, seed: u64) -> Vec<Candidate> {
    let mut stream = Stream::new(seed, STREAM, 0);
    let mut result: Vec<Candidate> = Vec::new();
    for _ in 0..count.saturating_mul(DRAWS) {
        if result.len() == count {
            break;
        }
        let candidate: Candidate =
            space.iter().map(|dimension| (dimension.key.clone(), dimension.draw(&mut stream))).collect();
        if !result.contains(&candidate) {
            result.push(candidate);
        }
    }
    result
}

fn grid(space: &[Dimension]) -> Result<Vec<Candidate>, DriverError> {
    let mut result: Vec<Candidate> = vec![Vec::new()];
    for Dimension { key, values } in space {
        let Values::List(values) = values else {
            return Err(DriverError::User(format!(
                "`{key}` has a range, of which there is no grid; say how many combinations to draw with `--random N`"
            )));
        };
        if result.len().saturating_mul(values.len()) > MOST {
            return Err(DriverError::User(format!("the grid has more than {MOST} combinations")));
        }
        let with = |candidate: &Candidate| -> Vec<Candidate> {
            let each = values.iter().map(|value| (key.clone(), value.clone()));
            each.map(|setting| [candidate.as_slice(), &[setting]].concat()).collect()
        };
        result = result.iter().flat_map(with).collect();
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parsed(texts: &[&str]) -> Vec<Dimension> {
        texts.iter().map(|text| Dimension::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space =
            parsed(&["m.width=8, 16", "train.optimizer=sgd(lr = 0.1, momentum = 0.9),adam(lr = 1e-3)"]);
        let grid = candidates(&space, None, 0).unwrap();
        let values: Vec<Vec<&str>> = grid
            .iter()
            .map(|candidate| candidate.iter().map(|(_, value)| value.as_str()).collect())
            .collect();
        let (sgd, adam) = ("sgd(lr = 0.1, momentum = 0.9)", "adam(lr = 1e-3)");
        assert_eq!(values, [["8", sgd], ["8", adam], ["16", sgd], ["16", adam]]);
    }

    #[test]
    fn draws_stay_in_their_ranges_and_follow_the_seed() {
        let space = parsed(&["lr=1e-4..1e-1:log", "width=4..8", "flip=true,false"]);
        let drawn = candidates(&space, Some(200), 1).unwrap();
        assert_eq!(drawn.len(), 200);
        assert_eq!(drawn, candidates(&space, Some(200), 1).unwrap());
        assert_ne!(drawn, candidates(&space, Some(200), 2).unwrap());
        let of = |index: usize| drawn.iter().map(move |candidate| candidate[index].1.parse::<f64>());
        let small = of(0).map(Result::unwrap).inspect(|lr| assert!((1e-4..=1e-1).contains(lr)));
        // Two of the three decades lie below 1e-2.
        let small = small.filter(|&lr| lr < 1e-2).count();
        assert!((110..160).contains(&small), "{small}");
        let widths: BTreeSet<u64> = of(1).map(|width| width.unwrap() as u64).collect();
        assert_eq!(widths.into_iter().collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        // No more than there are.
        assert_eq!(candidates(&parsed(&["width=1..3"]), Some(10), 0).unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_tried_is_told() {
        for wrong in
            ["lr", "lr=", "=1", "lr=0.1,,0.2", "lr=0.1,0.1", "lr=2..1", "lr=a..b", "lr=0..1:log", "lr=1:log"]
        {
            assert!(Dimension::parse(wrong).is_err(), "{wrong}");
        }
        assert!(candidates(&parsed(&["lr=0..1"]), None, 0).is_err());
        assert!(candidates(&parsed(&["lr=1,2", "lr=3"]), None, 0).is_err());
        assert!(candidates(&[], None, 0).is_err());
        let many: Vec<String> = (0..5).map(|key| format!("k{key}=1,2,3,4,5,6,7,8,9,10")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(candidates(&parsed(&many), None, 0).is_err());
    }
}
