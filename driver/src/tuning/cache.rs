//! The file that keeps what was measured: one JSON object with an object per machine (version of dlc, processor,
//! instructions, threads), which has for each shape of a contraction the numbers of the best choice.
//!
//! Nothing depends on the file for being right: what cannot be read is measured again, and a choice that does not
//! suit its kernel is not followed by the code generator.

use super::machine;
use dlc_compiler::emit::Choice;
use dlc_runtime::write_atomically;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The format that this version writes and reads.
const FORMAT: u64 = 1;

/// The best choices by machine, then by shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cache {
    machines: BTreeMap<String, BTreeMap<String, Choice>>,
}

/// Where the file lies: `$DLC_TUNING_CACHE`, or below the user's folder of caches; nothing without either.
pub(super) fn place() -> Option<PathBuf> {
    place_by(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn place_by(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let below = |folder: PathBuf| folder.join("dlc").join("tuning.json");
    let named = variable("DLC_TUNING_CACHE").map(PathBuf::from);
    let caches = || variable("XDG_CACHE_HOME").map(|folder| below(PathBuf::from(folder)));
    let home = || variable("HOME").map(|folder| below(PathBuf::from(folder).join(".cache")));
    named.or_else(caches).or_else(home)
}

impl Cache {
    /// Reads a file; one that is not there is empty, and so is a damaged one, with a warning.
    pub(super) fn read(path: &Path) -> (Cache, Option<String>) {
        let warning = |what: String| {
            let path = path.display();
            Some(format!("the tuning cache {path} {what}; it is ignored and written anew"))
        };
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Cache::default(), None),
            Err(error) => (Cache::default(), warning(format!("cannot be read: {error}"))),
            Ok(bytes) => match parse(&bytes) {
                Some(cache) => (cache, None),
                None => (Cache::default(), warning("is damaged".to_owned())),
            },
        }
    }

    /// Writes a file; gives a warning where that fails.
    pub(super) fn write(&self, path: &Path) -> Option<String> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let written = made.map_err(|error| error.to_string()).and_then(|()| {
            let text = format!("{:#}\n", self.to_json());
            write_atomically(path, text.as_bytes()).map_err(|error| error.to_string())
        });
        let error = written.err()?;
        Some(format!("the tuning cache {} cannot be written: {error}", path.display()))
    }

    /// What is known of a machine.
    pub(super) fn of(&self, machine: &str) -> BTreeMap<String, Choice> {
        self.machines.get(machine).cloned().unwrap_or_default()
    }

    /// Adds what was measured on a machine, and forgets what other versions of dlc measured.
    pub(super) fn add(&mut self, machine: &str, found: BTreeMap<String, Choice>) {
        let current = format!("{};", machine::version());
        self.machines.retain(|name, _| name.starts_with(&current));
        self.machines.entry(machine.to_owned()).or_default().extend(found);
    }

    fn to_json(&self) -> Value {
        let machines = self.machines.iter().map(|(machine, shapes)| {
            let shapes = shapes.iter().map(|(shape, choice)| (shape.clone(), Value::String(text(choice))));
            (machine.clone(), Value::Object(shapes.collect()))
        });
        json!({ "format": FORMAT, "machines": machines.collect::<Map<_, _>>() })
    }
}

/// The cache that a file's bytes tell, if they are well formed in all parts.
fn parse(bytes: &[u8]) -> Option<Cache> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if value.get("format")?.as_u64()? != FORMAT {
        return None;
    }
    let mut cache = Cache::default();
    for (machine, shapes) in value.get("machines")?.as_object()? {
        let shapes = shapes
            .as_object()?
            .iter()
            .map(|(shape, numbers)| Some((shape.clone(), choice(numbers.as_str()?)?)));
        cache.machines.insert(machine.clone(), shapes.collect::<Option<_>>()?);
    }
    Some(cache)
}

/// The numbers of a choice: vectors, rows, multiply-adds in straight code, then 1 for what is done and 0 for what is
/// not.
fn text(choice: &Choice) -> String {
    let Choice { vectors, rows, straight, ahead, lanes_outside } = choice;
    format!("{vectors} {rows} {straight} {} {}", u8::from(*ahead), u8::from(*lanes_outside))
}

fn choice(text: &str) -> Option<Choice> {
    let numbers: Vec<usize> = text.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [vectors, rows, straight, ahead @ (0 | 1), outside @ (0 | 1)] = numbers[..] else { return None };
    Some(Choice { vectors, rows, straight, ahead: ahead == 1, lanes_outside: outside == 1 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const CHOICE: Choice = Choice { vectors: 4, rows: 6, straight: 448, ahead: true, lanes_outside: false };

    fn machine(of: &str) -> String {
        format!("{}; {of}", machine::version())
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not yet there").join("tuning.json");
        assert_eq!(Cache::read(&path), (Cache::default(), None));
        let mut cache = Cache::default();
        cache.add(&machine("a"), BTreeMap::from([("shape".to_owned(), CHOICE)]));
        cache.add(&machine("b"), BTreeMap::new());
        assert_eq!(cache.write(&path), None);
        assert_eq!(Cache::read(&path), (cache.clone(), None));
        assert_eq!(cache.of(&machine("a")).get("shape"), Some(&CHOICE));
        assert!(cache.of(&machine("c")).is_empty());
    }

    #[test]
    fn other_versions_are_forgotten() {
        let mut cache = Cache::default();
        cache.machines.insert("dlc 0.0.0; a".to_owned(), BTreeMap::from([("shape".to_owned(), CHOICE)]));
        assert!(cache.of(&machine("a")).is_empty());
        cache.add(&machine("a"), BTreeMap::new());
        assert_eq!(cache.machines.keys().collect::<Vec<_>>(), [&machine("a")]);
    }

    #[test]
    fn damaged_files_are_ignored_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuning.json");
        let good = r#"{"format":1,"machines":{"m":{"s":"4 6 448 1 0"}}}"#;
        std::fs::write(&path, good).unwrap();
        let (cache, warning) = Cache::read(&path);
        assert_eq!((cache.of("m").get("s"), warning), (Some(&CHOICE), None));
        let damaged = [
            "",
            "{",
            "[]",
            &good[..good.len() / 2],
            &good.replace("\"format\":1", "\"format\":2"),
            &good.replace("448", "-1"),
            &good.replace("448", "1e99"),
            &good.replace("448", "99999999999999999999999"),
            &good.replace("\"4 6 448 1 0\"", "4"),
            &good.replace("448 1 0", "448 2 0"),
            &good.replace("4 6", "6"),
        ];
        for text in damaged {
            std::fs::write(&path, text).unwrap();
            let (cache, warning) = Cache::read(&path);
            assert_eq!(cache, Cache::default(), "{text}");
            assert!(warning.unwrap().contains("is damaged"), "{text}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let warning = Cache::default().write(&file.join("tuning.json"));
        assert!(warning.unwrap().contains("cannot be written"));
    }

    #[test]
    fn the_place_follows_the_environment() {
        let of = |set: &[(&str, &str)]| {
            place_by(&|name| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
            })
        };
        let (named, caches, home) = (("DLC_TUNING_CACHE", "/t"), ("XDG_CACHE_HOME", "/c"), ("HOME", "/h"));
        assert_eq!(of(&[named, caches, home]), Some(PathBuf::from("/t")));
        assert_eq!(of(&[caches, home]), Some(PathBuf::from("/c/dlc/tuning.json")));
        assert_eq!(of(&[home]), Some(PathBuf::from("/h/.cache/dlc/tuning.json")));
        assert_eq!(of(&[]), None);
    }
}
