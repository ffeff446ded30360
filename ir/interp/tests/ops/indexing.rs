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
fn scatter_adds_where_gather_reads() {
    let nodes = "%0: i32[4] = constant [0, 2, -7, 99]  %1: i32[4, 2] = constant [1, 10, 2, 20, 4, 40, 8, 80]";
    let rows = ints(&format!("{nodes} %2: i32[3, 2] = scatter_add(%0, %1) axis=0"), &[]);
    assert_eq!(rows, [5, 50, 0, 0, 10, 100]);
    let nodes = "%0: i32[2] = constant [1, 1]  %1: i32[2, 2] = constant [1, 2, 3, 4]";
    let columns = ints(&format!("{nodes} %2: i32[2, 3] = scatter_add(%0, %1) axis=1"), &[]);
    assert_eq!(columns, [0, 3, 0, 0, 7, 0]);
}
