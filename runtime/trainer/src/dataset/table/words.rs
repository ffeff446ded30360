//! Text as numbers: words, the vocabulary of the training split, and lines of one length.
//!
//! A word is a longest run of letters and digits, in lower case; or every character by itself, blanks
//! included. Number 0 is padding, 1 an unknown word, the others count the vocabulary.

use dlc_recipe::WordRules;
use std::collections::BTreeMap;

/// Numbers that are no word: padding, and a word that is not known.
const RESERVED: usize = 2;
/// A word that is not in the vocabulary.
const UNKNOWN: i64 = 1;

/// Texts as sequences of words, each word once in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Name of the column.
    pub column: String,
    words: Vec<String>,
    known: BTreeMap<String, u32>,
    tokens: Vec<u32>,
    /// Where each text ends in `tokens`.
    ends: Vec<usize>,
}

impl Texts {
    /// No text.
    pub fn new(column: &str) -> Texts {
        Texts { column: column.to_owned(), ..Texts::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a text.
    pub fn push(&mut self, text: &str, rules: &WordRules) {
        let text = text.to_lowercase();
        if rules.characters {
            let mut buffer = [0; 4];
            text.chars().for_each(|one| self.word(one.encode_utf8(&mut buffer)));
        } else {
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .for_each(|word| self.word(word));
        }
        self.ends.push(self.tokens.len());
    }

    fn word(&mut self, word: &str) {
        let id = match self.known.get(word) {
            Some(&id) => id,
            None => {
                let id = self.words.len() as u32;
                self.known.insert(word.to_owned(), id);
                self.words.push(word.to_owned());
                id
            }
        };
        self.tokens.push(id);
    }

    fn text(&self, sample: usize) -> &[u32] {
        let start = sample.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.tokens[start..self.ends[sample]]
    }

    /// The words of some texts that occur often enough: most frequent first, equals in their order.
    pub fn vocabulary(&self, samples: &[usize], rules: &WordRules) -> Vec<String> {
        let mut counts = vec![0usize; self.words.len()];
        for &sample in samples {
            self.text(sample).iter().for_each(|&id| counts[id as usize] += 1);
        }
        let least = rules.least_count.max(1);
        let mut ids: Vec<usize> = (0..counts.len()).filter(|&id| counts[id] >= least).collect();
        ids.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| self.words[a].cmp(&self.words[b])));
        ids.truncate(rules.vocabulary.saturating_sub(RESERVED));
        ids.into_iter().map(|id| self.words[id].clone()).collect()
    }

    /// The texts as numbers, each `length` long: the first words, padded on one side.
    /// `None` if that is too much.
    pub fn numbers(&self, vocabulary: &[String], length: usize, rules: &WordRules) -> Option<Vec<i64>> {
        let mut of_id = vec![UNKNOWN; self.words.len()];
        for (number, word) in vocabulary.iter().enumerate() {
            if let Some(&id) = self.known.get(word) {
                of_id[id as usize] = (number + RESERVED) as i64;
            }
        }
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(self.len().checked_mul(length)?).ok()?;
        for sample in 0..self.len() {
            let words = self.text(sample).iter().take(length).map(|&id| of_id[id as usize]);
            let padding = std::iter::repeat_n(0, length - words.len());
            if rules.padding_before {
                numbers.extend(padding.chain(words));
            } else {
                numbers.extend(words.chain(padding));
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn words_are_numbered_by_the_training_texts() {
        let rules = WordRules { vocabulary: 5, least_count: 2, ..WordRules::default() };
        let mut texts = Texts::new("t");
        for text in ["The cat, the DOG!", "a cat's dog", "", "zebra zebra zebra, the"] {
            texts.push(text, &rules);
        }
        let vocabulary = texts.vocabulary(&[0, 1], &rules);
        assert_eq!(vocabulary, ["cat", "dog", "the"]);
        let numbers = texts.numbers(&vocabulary, 3, &rules).unwrap();
        assert_eq!(numbers, [4, 2, 4, 1, 2, 1, 0, 0, 0, 1, 1, 1]);
        let before = WordRules { padding_before: true, ..rules };
        assert_eq!(texts.numbers(&vocabulary, 5, &before).unwrap()[..5], [0, 4, 2, 4, 3]);
        assert_eq!(texts.vocabulary(&[3], &WordRules { vocabulary: 3, ..rules }), ["zebra"]);
    }

    #[test]
    fn characters_are_words_too() {
        let rules = WordRules { characters: true, ..WordRules::default() };
        let mut texts = Texts::new("t");
        texts.push("Ab a", &rules);
        let vocabulary = texts.vocabulary(&[0], &rules);
        assert_eq!(vocabulary, ["a", " ", "b"]);
        assert_eq!(texts.numbers(&vocabulary, 5, &rules).unwrap(), [2, 4, 3, 2, 0]);
        assert_eq!(texts.numbers(&vocabulary, usize::MAX / 16, &rules), None);
    }
}
