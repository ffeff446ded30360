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

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn delimiters_quotes_and_tables_without_header_are_read() {
    let text = "1;'a;b';2,5\n3;'it''s';4\n";
    let other = Table {
        delimiter: b';',
        quote: b'\'',
        header: false,
        target: names(&["2"]),
        features: Some(names(&["1"])),
        ..table()
    };
    let read = parse_as(text, &other, Some(TargetKind::Class)).unwrap();
    assert_eq!((read.values, read.features), (vec![1.0, 3.0], names(&["1"])));
    assert_eq!(read.targets, Targets::Labels(vec![0, 1], names(&["a;b", "it's"])));
    let last = Table { target: names(&["3"]), drop: names(&["2"]), ..other };
    let fault = parse_as(text, &last, Some(TargetKind::Number)).unwrap_err();
    assert_eq!(fault, "row 1 (line 1), column `3`: `2,5` is not a number");
}

#[test]
fn missing_values_are_left_out_or_marked() {
    let text = "a,b,y\n1,,5\n2,NA,6\n3,4,7\n8,9,\n";
    let with = |missing| parse_as(text, &Table { missing, ..table() }, Some(TargetKind::Number));
    let dropped = with(Missing::Drop).unwrap();
    assert_eq!((dropped.values, dropped.numbers), (vec![3.0, 4.0], vec![3]));
    let fault = with(Missing::Mean).unwrap_err();
    assert_eq!(fault, format!("row 4 (line 5): the value of `y` is missing; {HELP}"));
    let kept = parse_as(text, &Table { missing: Missing::Mean, ..table() }, None);
    // Without a target, `y` is a feature of no other use.
    assert!(kept.unwrap().values[1].is_nan());
    let all = parse_as("a,y\n,1\n", &Table { missing: Missing::Drop, ..table() }, Some(TargetKind::Number));
    assert_eq!(all.unwrap_err(), "the table has no row without missing values");
    let saved = Fitted { features: names(&["a", "b"]), ..Fitted::default() };
    let purpose = Purpose { target: None, features: true, known: Some(&saved), predicting: true };
    let rows = Table { missing: Missing::Drop, ..table() };
    let fault = parse_table(b"b,a\n4,3\n,1\n", &rows, purpose).unwrap_err().to_string();
    assert_eq!(fault, "row 2 (line 3): the value of `b` is missing; training left such rows out");
    // Columns are taken in the order of training.
    assert_eq!(parse_table(b"b,a\n4,3\n", &rows, purpose).unwrap().values, [3.0, 4.0]);
}

#[test]
fn repeated_rows_are_kept_left_out_or_told() {
    let text = "id,a,y\n1,5,0\n2,5,0\n3,5,1\n4,5,0\n";
    let with = |duplicates| {
        let table = Table { duplicates, drop: names(&["id"]), ..table() };
        parse_as(text, &table, Some(TargetKind::Class))
    };
    assert_eq!(with(Duplicates::Keep).unwrap().rows, 4);
    assert_eq!(with(Duplicates::Drop).unwrap().numbers, [1, 3]);
    let told = "row 2 (line 3) equals row 1; `duplicates = \"drop\"` leaves it out";
    assert_eq!(with(Duplicates::Error).unwrap_err(), told);
    let different = Table { duplicates: Duplicates::Error, ..table() };
    assert_eq!(parse_as(text, &different, Some(TargetKind::Class)).unwrap().rows, 4);
}

#[test]
fn names_become_numbers_of_categories() {
    let text = "age,city,job,y\n1,Rome,cook,0\n2,Oslo,,1\n3,Rome,smith,1\n";
    let table =
        Table { one_hot: names(&["city"]), index: names(&["job"]), missing: Missing::Mean, ..table() };
    let read = parse_as(text, &table, Some(TargetKind::Class)).unwrap();
    assert_eq!(read.features, ["age", "city = Oslo", "city = Rome"]);
    assert_eq!(read.values, [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 3.0, 0.0, 1.0]);
    assert_eq!((read.is_category, read.columns), (vec![false, true, true], names(&["age", "city"])));
    assert_eq!(read.index, [vec![1, 0, 2]]);
    assert_eq!(read.categories["job"], ["", "cook", "smith"]);
    let saved =
        Fitted { features: names(&["age", "city"]), categories: read.categories, ..Fitted::default() };
    let purpose = Purpose { target: None, features: true, known: Some(&saved), predicting: true };
    let new = b"age,city,job\n5,Paris,smith\n";
    let fault = parse_table(new, &table, purpose).unwrap_err().to_string();
    assert_eq!(fault, "row 1 (line 2), column `city`: `Paris` is no known category (Oslo, Rome, …)");
    let other = Table { unknown_allowed: true, ..table };
    let read = parse_table(new, &other, purpose).unwrap();
    // Numbers begin at 1 where 0 stands for others.
    assert_eq!((read.values, read.index), (vec![5.0, 0.0, 0.0], vec![vec![3]]));
}

#[test]
fn a_column_of_too_many_names_is_not_one_hot() {
    let mut text = "id,y\n".to_owned();
    (0..5000).for_each(|row| text.push_str(&format!("n{row},0\n")));
    let table = Table { one_hot: names(&["id"]), ..table() };
    let fault = parse_as(&text, &table, Some(TargetKind::Class)).unwrap_err();
    assert_eq!(
        fault,
        "the column `id` has 5000 categories, more than can be one-hot; `index` makes it one number"
    );
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
