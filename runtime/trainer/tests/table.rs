//! Reading tables: what is read, and what each fault says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_recipe::{Duplicates, Missing, Table};
use dlc_trainer::{Fitted, Purpose, TableContent, TargetKind, Targets, parse_table};

const HELP: &str = "`missing = \"mean\"`, `\"drop\"` or a number says what becomes of it";

fn table() -> Table {
    Table::new("t.csv", "y")
}

fn parse_as(text: &str, table: &Table, target: Option<TargetKind>) -> Result<TableContent, String> {
    let purpose = Purpose { target, features: true, known: None, predicting: false };
    parse_table(text.as_bytes(), table, purpose).map_err(|fault| fault.to_string())
}

fn parse(text: &str, kind: TargetKind) -> Result<TableContent, String> {
    parse_as(text, &table(), Some(kind))
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
    let named = Table { features: Some(vec!["c".to_owned(), "a".to_owned()]), ..crate::table() };
    let table = parse_as(text, &named, None).unwrap();
    assert_eq!((table.features.len(), table.values[..2].to_vec()), (2, vec![1.0, 4.0]));
    let dropped = Table { drop: vec!["b".to_owned()], ..crate::table() };
    assert_eq!(parse_as("a,b\n1,x\n", &dropped, None).unwrap().values, [1.0]);
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
        format!("row 2 (line 3): the value of `y` is missing; {HELP}")
    );
}

#[test]
fn faults_name_row_and_column() {
    let number = TargetKind::Number;
    assert_eq!(fault("a,y\n1,2\nx1,2\n", number), "row 2 (line 3), column `a`: `x1` is not a number");
    for cell in ["", "NaN", "NA", "?"] {
        let expected = format!("row 1 (line 2): the value of `a` is missing; {HELP}");
        assert_eq!(fault(&format!("a,y\n{cell},2\n"), number), expected);
    }
    assert_eq!(fault("a,y\ninf,2\n", number), "row 1 (line 2), column `a`: `inf` is not a number");
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
    let purpose = |target| Purpose { target, features: true, known: None, predicting: false };
    for position in 0..good.len() {
        for byte in [0u8, b'"', b',', b'\n', 0xFF] {
            let mut damaged = good.to_vec();
            damaged[position] = byte;
            // Some changes give another table; none may panic.
            let _ = parse_table(&damaged, &table(), purpose(Some(TargetKind::Class)));
        }
        let _ = parse_table(&good[..position], &table(), purpose(Some(TargetKind::Class)));
    }
    let bytes = [0xFF, 0xFE, b'\n', b'1', b'\n'];
    assert!(parse_table(&bytes, &table(), purpose(None)).is_ok());
}
