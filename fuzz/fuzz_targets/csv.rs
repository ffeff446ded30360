//! Any bytes are a table of finite numbers and known names, or a fault says why not.
#![no_main]

use dlc_recipe::{Duplicates, Missing, Table};
use dlc_trainer::{Fitted, Purpose, TableContent, TargetKind, Targets, parse_table};
use libfuzzer_sys::fuzz_target;

fn check(content: &TableContent, missing: Missing) {
    assert_eq!(content.values.len(), content.rows * content.features.len());
    assert_eq!(content.numbers.len(), content.rows);
    let finite = |value: &f32| value.is_finite() || value.is_nan() && missing == Missing::Mean;
    assert!(content.values.iter().all(finite));
    assert!(content.index.iter().all(|column| column.len() == content.rows));
    assert!(content.texts.iter().all(|texts| texts.len() == content.rows));
    match &content.targets {
        Targets::None => {}
        Targets::Numbers(values) => assert_eq!(values.len(), content.rows),
        Targets::Labels(labels, names) => {
            assert_eq!(labels.len(), content.rows);
            let within = |&label: &i64| names.is_empty() || (0..names.len() as i64).contains(&label);
            assert!(labels.iter().all(within));
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let plain = Table::new("", "target");
    let named = Table {
        one_hot: vec!["city".to_owned()],
        index: vec!["job".to_owned()],
        text: vec!["words".to_owned()],
        missing: Missing::Mean,
        duplicates: Duplicates::Drop,
        unknown_allowed: true,
        delimiter: b';',
        ..plain.clone()
    };
    let numbered = Table { header: false, target: vec!["1".to_owned()], missing: Missing::Drop, ..plain.clone() };
    for table in [&plain, &named, &numbered] {
        for target in [None, Some(TargetKind::Number), Some(TargetKind::Class)] {
            let purpose = Purpose { target, features: true, known: None, predicting: false };
            let Ok(content) = parse_table(bytes, table, purpose) else { continue };
            check(&content, table.missing);
            for texts in &content.texts {
                let samples: Vec<usize> = (0..content.rows).collect();
                let vocabulary = texts.vocabulary(&samples, &table.words);
                let numbers = texts.numbers(&vocabulary, 7, &table.words);
                assert_eq!(numbers.len(), 7 * content.rows);
                assert!(numbers.iter().all(|&number| (0..vocabulary.len() as i64 + 2).contains(&number)));
            }
            // The same table is read again with what was learned of it.
            let fitted = Fitted {
                features: content.columns.clone(),
                categories: content.categories.clone(),
                ..Fitted::default()
            };
            let again = Purpose { target: None, features: true, known: Some(&fitted), predicting: true };
            if let Ok(again) = parse_table(bytes, table, again) {
                assert_eq!(again.features, content.features);
            }
        }
    }
});
