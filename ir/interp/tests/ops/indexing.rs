use crate::ints;

#[test]
fn gather_clamps() {
    let nodes = "%0: i32[2, 3] = constant [1, 2, 3, 4, 5, 6]  %1: i32[2, 2] = constant [0, 2, -7, 99]";
    let columns = ints(&format!("{nodes} %2: i32[2, 2, 2] = gather(%0, %1) axis=1"), &[]);
    assert_eq!(columns, [1, 3, 1, 3, 4, 6, 4, 6]);
    let rows = ints(&format!("{nodes} %2: i32[2, 2, 3] = gather(%0, %1) axis=0"), &[]);
    assert_eq!(rows, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn scatter_writes_where_gather_reads() {
    let nodes = "%0: i32[4] = constant [0, 2, -7, 99]  %1: i32[4, 2] = constant [1, 10, 2, 20, 4, 40, 8, 80]
         %2: i32[3, 2] = constant [0, 0, 0, 0, 0, 0]";
    let rows = ints(&format!("{nodes} %3: i32[3, 2] = scatter(%2, %0, %1) axis=0 kind=add"), &[]);
    assert_eq!(rows, [5, 50, 0, 0, 10, 100]);
    let nodes = "%0: i32[2] = constant [1, 1]  %1: i32[2, 2] = constant [1, 2, 3, 4]
         %2: i32[2, 3] = constant [9, 9, 9, 9, 9, 9]";
    let columns =
        |kind: &str| ints(&format!("{nodes} %3: i32[2, 3] = scatter(%2, %0, %1) axis=1 kind={kind}"), &[]);
    assert_eq!(columns("add"), [9, 12, 9, 9, 16, 9]);
    assert_eq!(columns("set"), [9, 2, 9, 9, 4, 9]);
    assert_eq!(columns("mul"), [9, 18, 9, 9, 108, 9]);
    assert_eq!(columns("max"), [9, 9, 9, 9, 9, 9]);
    assert_eq!(columns("min"), [9, 1, 9, 9, 3, 9]);
}

#[test]
fn sorted_positions_and_what_lies_there() {
    let nodes = "%0: i32[2, 4] = constant [3, 1, 3, 2, -1, 5, 0, 5]";
    let order = |down: bool| format!("{nodes} %1: i32[2, 4] = argsort(%0) axis=1 descending={down}");
    assert_eq!(ints(&order(false), &[]), [1, 3, 0, 2, 0, 2, 1, 3]);
    assert_eq!(ints(&order(true), &[]), [0, 2, 3, 1, 1, 3, 2, 0]);
    let sorted = format!("{} %2: i32[2, 4] = gather_along(%0, %1) axis=1", order(true));
    assert_eq!(ints(&sorted, &[]), [3, 3, 2, 1, 5, 5, 0, -1]);
    let nodes = "%0: f32[4] = constant [inf, nan, -inf, 0.5]";
    assert_eq!(ints(&format!("{nodes} %1: i32[4] = argsort(%0) axis=0 descending=false"), &[]), [2, 3, 0, 1]);
}
