//! Reading tables: what is read, and what each fault says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_trainer::{CsvColumns, CsvTable, TargetKind, Targets, parse_csv};

fn parse(text: &str, kind: TargetKind) -> Result<CsvTable, String> {
    let columns = CsvColumns { target: Some(("y", kind)), features: None, drop: &[] };
    parse_csv(text.as_bytes(), &columns).map_err(|fault| fault.to_string())
}

fn fault(text: &str, kind: TargetKind) -> String {
    parse(text, kind).unwrap_err()
}

#[test]
fn columns_are_found_by_name() {
    let text = "\u{feff}a, b ,y,c\n1,2,3,4\r\n-1.5e1,\"2\",0.5, 7 \n";
    let table = parse(text, TargetKind::Number).unwrap();
    assert_eq!(table.features, ["a", "b", "c"]);
    assert_eq!(table.values, [1.0, 2.0, 4.0, -15.0, 2.0, 7.0]);
    assert_eq!(table.targets, Targets::Numbers(vec![3.0, 0.5]));
    let names = ["c".to_owned(), "a".to_owned()];
    let columns = CsvColumns { target: None, features: Some(&names), drop: &[] };
    let table = parse_csv(text.as_bytes(), &columns).unwrap();
    assert_eq!((table.features.len(), table.values[..2].to_vec()), (2, vec![1.0, 4.0]));
    let dropped = ["b".to_owned(), "y".to_owned()];
    let columns = CsvColumns { target: None, features: None, drop: &dropped };
    assert_eq!(parse_csv(b"a,b\n1,x\n", &columns).unwrap().values, [1.0]);
}

#[test]
fn class_labels_are_whole_numbers_or_names() {
    let table = parse("a,y\n1,0\n2,2.0\n", TargetKind::Class).unwrap();
    assert_eq!(table.targets, Targets::Labels(vec![0, 2], vec![]));
    let table = parse("a,y\n1,setosa\n2,iris\n3,setosa\n", TargetKind::Class).unwrap();
    assert_eq!(table.targets, Targets::Labels(vec![1, 0, 1], vec!["iris".to_owned(), "setosa".to_owned()]));
    let needed = "is not a whole number (a class label)";
    assert_eq!(
        fault("a,y\n1,1\n2,1.5\n", TargetKind::Class),
        format!("row 2 (line 3), column `y`: `1.5` {needed}")
    );
    assert_eq!(
        fault("a,y\n1,1\n2,two\n", TargetKind::Class),
        format!("row 2 (line 3), column `y`: `two` {needed}")
    );
    assert_eq!(
        fault("a,y\n1,one\n2,\n", TargetKind::Class),
        format!("row 1 (line 2), column `y`: `one` {needed}")
    );
}

#[test]
fn faults_name_row_and_column() {
    let number = TargetKind::Number;
    assert_eq!(fault("a,y\n1,2\nx1,2\n", number), "row 2 (line 3), column `a`: `x1` is not a number");
    assert_eq!(fault("a,y\n,2\n", number), "row 1 (line 2), column `a`: `` is not a number");
    assert_eq!(fault("a,y\nNaN,2\n", number), "row 1 (line 2), column `a`: `NaN` is not a number");
    assert_eq!(fault("a,y\n1,1e99\n", number), "row 1 (line 2), column `y`: `1e99` is not a number");
    assert_eq!(fault("a,y\n1,2\n\n3\n", number), "row 2 (line 4) has 1 cells, the header has 2");
    let quoted = "\u{feff}a,y\r\n\r\n1,\"2\n\"\n\n\n4,x\n";
    assert_eq!(fault(quoted, number), "row 2 (line 7), column `y`: `x` is not a number");
    assert_eq!(fault("a,b\n1,2\n", number), "there is no column `y`; the columns are: a, b");
    assert_eq!(fault("a,a,y\n1,2,3\n", number), "two columns are named `a`");
    assert_eq!(fault("y\n1\n", number), "no feature column is left");
    assert_eq!(fault("", number), "the table has no header");
    assert_eq!(fault("a,y\n", number), "the table has no row");
}

#[test]
fn any_bytes_are_survived() {
    let good = b"a,b,y\n1,2,3\n\"4\",5,6\n";
    let columns = CsvColumns { target: Some(("y", TargetKind::Class)), features: None, drop: &[] };
    for position in 0..good.len() {
        for byte in [0u8, b'"', b',', b'\n', 0xFF] {
            let mut damaged = good.to_vec();
            damaged[position] = byte;
            // Some changes give another table; none may panic.
            let _ = parse_csv(&damaged, &columns);
        }
        let _ = parse_csv(&good[..position], &columns);
    }
    let columns = CsvColumns { target: None, features: None, drop: &[] };
    assert!(parse_csv(&[0xFF, 0xFE, b'\n', b'1', b'\n'], &columns).is_ok());
}
