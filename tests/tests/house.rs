//! The rules of the house that no compiler checks: which crate may use which, what the runtime pulls in,
//! that nothing needs a C toolchain, and that files stay readable.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_tests::models::repository;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Which crates of ours each of them may use, from the design. Dev-dependencies are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("dlc-types", &[]),
    ("dlc-abi", &[]),
    ("dlc-ir", &["dlc-types"]),
    ("dlc-kernel", &["dlc-types"]),
    ("dlc-recipe", &["dlc-types"]),
    ("dlc-interp", &["dlc-ir", "dlc-types"]),
    ("dlc-dsl", &["dlc-ir", "dlc-recipe", "dlc-types"]),
    ("dlc-onnx", &["dlc-ir", "dlc-types"]),
    ("dlc-codegen-clif", &["dlc-types", "dlc-kernel", "dlc-abi"]),
    ("dlc-codegen-x86", &["dlc-types", "dlc-kernel", "dlc-abi"]),
    ("dlc-codegen-ptx", &["dlc-types", "dlc-kernel", "dlc-abi"]),
    (
        "dlc-compiler",
        &[
            "dlc-ir",
            "dlc-kernel",
            "dlc-types",
            "dlc-abi",
            "dlc-codegen-clif",
            "dlc-codegen-x86",
            "dlc-codegen-ptx",
        ],
    ),
    ("dlc-runtime", &["dlc-abi"]),
    ("dlc-host", &[]),
    ("dlc-cuda", &["dlc-abi", "dlc-runtime"]),
    // The recipe's fields have types of dlc-types, so the trainer names them.
    ("dlc-trainer", &["dlc-abi", "dlc-runtime", "dlc-recipe", "dlc-types"]),
    (
        "dlc-driver",
        &[
            "dlc-types",
            "dlc-ir",
            "dlc-kernel",
            "dlc-recipe",
            "dlc-interp",
            "dlc-dsl",
            "dlc-onnx",
            "dlc-compiler",
            "dlc-abi",
            "dlc-runtime",
            "dlc-cuda",
            "dlc-host",
            "dlc-trainer",
        ],
    ),
    ("dlc-build", &["dlc-driver"]),
    // Reads PTX text alone, so that it checks the back end with nothing of the back end's.
    ("dlc-ptx-machine", &[]),
    ("dlc-stand-in-driver", &["dlc-ptx-machine"]),
    ("dlc", &["dlc-driver", "dlc-types"]),
    ("dlc-bench", &["dlc-compiler", "dlc-driver", "dlc-runtime"]),
    (
        "dlc-tests",
        &[
            "dlc-types",
            "dlc-ir",
            "dlc-kernel",
            "dlc-recipe",
            "dlc-interp",
            "dlc-dsl",
            "dlc-compiler",
            "dlc-abi",
            "dlc-runtime",
            "dlc-trainer",
            "dlc-driver",
            "dlc-codegen-ptx",
            "dlc-ptx-machine",
        ],
    ),
];

/// All that an embedder of the runtime builds, beside our own crates.
const RUNTIME_USES: &[&str] = &["libc", "libloading", "memmap2", "safetensors", "thiserror"];

/// Packages with a `links` key that link no C library.
const LINKS_NO_C: &[(&str, &str)] = &[
    ("rayon-core", "the key only keeps two versions from being linked at once"),
    ("prettyplease", "the key only keeps two versions from being linked at once"),
];

/// Build dependencies that compile or bind C.
const C_BUILDERS: &[&str] = &["cc", "cmake", "bindgen", "pkg-config", "vcpkg", "autotools", "nasm-rs"];

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Names of normal and build dependencies of every package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = list(&metadata["packages"]).iter().map(|package| {
        let normal =
            list(&package["dependencies"]).iter().filter(|dependency| text(&dependency["kind"]) != "dev");
        (text(&package["name"]).to_owned(), normal.map(|one| text(&one["name"]).to_owned()).collect())
    });
    packages.collect()
}

#[test]
fn crates_use_what_the_design_allows() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let found = dependencies();
    let ours = |name: &str| name == "dlc" || name.starts_with("dlc-");
    for (name, uses) in &found {
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no row in the table"));
        for used in uses.iter().filter(|used| ours(used)) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
    for (name, _) in ARROWS {
        assert!(found.contains_key(*name), "the table has a row for {name}, which is no crate");
    }
}

#[test]
fn the_table_keeps_the_design() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let reaches = |from: &str| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(name) = next.pop() {
            for &used in allowed[name] {
                if reached.insert(used) {
                    next.push(used);
                }
            }
        }
        reached
    };
    for (from, never) in [
        ("dlc-runtime", "dlc-compiler"),
        ("dlc-trainer", "dlc-compiler"),
        ("dlc-dsl", "dlc-compiler"),
        ("dlc-dsl", "dlc-onnx"),
        ("dlc-onnx", "dlc-dsl"),
        ("dlc-codegen-clif", "dlc-ir"),
        ("dlc-codegen-x86", "dlc-ir"),
        ("dlc-codegen-ptx", "dlc-ir"),
        ("dlc-compiler", "dlc-interp"),
    ] {
        assert!(!reaches(from).contains(never), "{from} must never use {never}");
    }
}

#[test]
fn the_runtime_stays_small() {
    let uses = &dependencies()["dlc-runtime"];
    let others: Vec<&String> = uses.iter().filter(|name| !name.starts_with("dlc-")).collect();
    assert_eq!(others, RUNTIME_USES);
}

#[test]
fn nothing_needs_c() {
    let host = host();
    let metadata = metadata(&["--filter-platform", &host]);
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    // What is reached by normal dependencies; each package's build script counts with what it uses.
    let mut next: Vec<&str> = list(&metadata["workspace_members"]).iter().map(text).collect();
    let mut reached = BTreeSet::new();
    let mut faults = Vec::new();
    while let Some(id) = next.pop() {
        if !reached.insert(id) {
            continue;
        }
        let package = packages[id];
        let name = text(&package["name"]);
        let links = text(&package["links"]);
        if !links.is_empty() && !LINKS_NO_C.iter().any(|(allowed, _)| *allowed == name) {
            faults.push(format!("{name} links {links}"));
        }
        for dependency in list(&nodes[id]["deps"]) {
            let kinds: Vec<&str> =
                list(&dependency["dep_kinds"]).iter().map(|kind| text(&kind["kind"])).collect();
            let id = text(&dependency["pkg"]);
            let used = text(&packages[id]["name"]);
            if kinds.contains(&"build") && C_BUILDERS.contains(&used) {
                faults.push(format!("{name} builds with {used}"));
            }
            // No kind is the normal one.
            if kinds.contains(&"") {
                next.push(id);
            }
        }
    }
    assert!(reached.len() > 50, "the walk went nowhere");
    assert!(faults.is_empty(), "{faults:#?}");
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

#[test]
fn files_are_readable() {
    let mut long = Vec::new();
    visit(&repository(), &mut |path| {
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        if lines > 800 {
            long.push(format!("{} has {lines} lines", path.display()));
        }
    });
    assert!(long.is_empty(), "{long:#?}");
}

fn visit(folder: &Path, file: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                visit(&path, file);
            }
        } else if name.ends_with(".rs") {
            file(&path);
        }
    }
}
