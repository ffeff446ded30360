//! Any bytes are a table of finite numbers, or a fault says why not.
#![no_main]

use dlc_trainer::{CsvColumns, TargetKind, Targets, parse_csv};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let drop = ["dropped".to_owned()];
    for target in [None, Some(("target", TargetKind::Number)), Some(("target", TargetKind::Class))] {
        let drop: &[String] = if target.is_some() { &[] } else { &drop };
        let columns = CsvColumns { target, features: None, drop };
        let Ok(table) = parse_csv(bytes, &columns) else { continue };
        assert_eq!(table.values.len(), table.rows * table.features.len());
        assert!(table.values.iter().all(|value| value.is_finite()));
        match &table.targets {
            Targets::None => assert!(target.is_none()),
            Targets::Numbers(values) => assert_eq!(values.len(), table.rows),
            Targets::Labels(labels, names) => {
                assert_eq!(labels.len(), table.rows);
                let within = |&label: &i64| label >= 0 && (names.is_empty() || label < names.len() as i64);
                assert!(labels.iter().all(within));
            }
        }
    }
});
