//! Object files: the code in them is the code that runs in memory, and they are the same wherever they are made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::emit::{Cpu, ObjectData, ObjectFormat, Platform, Processor, Target, Variant, jit, object};
use dlc_compiler::{Compilation, CompileOptions, compile};
use dlc_tests::models::{from_file, repository};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeMap;

/// A network of contractions and loops, and one with a scan.
const FILES: [&str; 2] = ["examples/digits.dsl", "examples/brackets.dsl"];

fn compilation(file: &str) -> Compilation {
    compile(&from_file(&repository().join(file)).model, &CompileOptions::new(4)).unwrap()
}

fn made(compilation: &Compilation, target: &Target) -> Vec<u8> {
    let entry = |function: &str| format!("m_bare_{function}");
    let data = [ObjectData { symbol: "m_constants".to_owned(), bytes: &compilation.interface.constants }];
    object(compilation, &Variant::only(target), "m", &entry, &data).unwrap().bytes
}

/// The bytes of every defined symbol.
fn symbols(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let file = object::File::parse(file).unwrap();
    let mut found = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
        let Some(section) = symbol.section_index() else { continue };
        let bytes = file.section_by_index(section).unwrap();
        let bytes = bytes.data_range(symbol.address(), symbol.size()).unwrap().unwrap();
        found.insert(symbol.name().unwrap().to_owned(), bytes.to_vec());
    }
    found
}

#[test]
fn kernels_have_the_same_bytes_in_memory_and_in_an_object() {
    for file in FILES {
        let compilation = compilation(file);
        let mut compared = 0;
        for cpu in [Cpu::Native, Cpu::Portable, Cpu::V3, Cpu::V4] {
            // What this machine cannot run is compared where it can.
            let Ok(target) = Target::host(cpu) else { continue };
            let found = symbols(&made(&compilation, &target));
            let code = jit(&compilation, &target).unwrap();
            for range in code.ranges.iter().filter(|range| range.kernel.is_some()) {
                // SAFETY: the range is code that `code` keeps.
                let here = unsafe { std::slice::from_raw_parts(range.start as *const u8, range.bytes) };
                let name = range.symbol.replacen(&compilation.interface.model, "m", 1);
                assert!(found[&name] == here, "{name} for {cpu:?}");
                compared += 1;
            }
        }
        assert!(compared > 50, "{compared}");
    }
}

#[test]
fn an_object_defines_all_that_it_needs_and_can_be_placed_anywhere() {
    for file in FILES {
        let compilation = compilation(file);
        for cpu in [Cpu::Portable, Cpu::V3, Cpu::V4] {
            let bytes = made(&compilation, &Target::elsewhere(cpu).unwrap());
            assert!(bytes == made(&compilation, &Target::elsewhere(cpu).unwrap()), "two builds differ");
            let file = object::File::parse(&*bytes).unwrap();
            let undefined: Vec<_> =
                file.symbols().filter(|s| s.is_undefined()).map(|s| s.name().unwrap().to_owned()).collect();
            assert_eq!(undefined, [""; 0]);
            let seen: Vec<_> =
                file.symbols().filter(|s| s.is_global()).map(|s| s.name().unwrap().to_owned()).collect();
            assert_eq!(
                seen,
                ["m_bare_initialize", "m_bare_predict", "m_bare_evaluate", "m_bare_train", "m_constants"]
            );
            for section in file.sections() {
                let name = section.name().unwrap();
                let writable = matches!(
                    section.kind(),
                    object::SectionKind::Data | object::SectionKind::UninitializedData
                );
                assert!(!writable || section.size() == 0, "{name} can be written");
                for (_, relocation) in section.relocations() {
                    // An absolute address would make a shared library change its code when it is loaded.
                    assert_ne!(relocation.kind(), object::RelocationKind::Absolute, "{name}");
                }
            }
        }
    }
}

/// Names without what the format puts in front of those of C.
fn names<'f>(file: &'f object::File<'f>, wanted: impl Fn(&object::Symbol<'f, 'f>) -> bool) -> Vec<String> {
    let prefix = if file.format() == object::BinaryFormat::MachO { "_" } else { "" };
    let name =
        |symbol: object::Symbol<'f, 'f>| symbol.name().unwrap().strip_prefix(prefix).unwrap().to_owned();
    file.symbols().filter(|symbol| wanted(symbol)).map(name).collect()
}

#[test]
fn every_platform_has_complete_objects_of_its_kind() {
    for file in FILES {
        let compilation = compilation(file);
        for platform in Platform::ALL {
            let target = Target::of(platform, Cpu::Portable).unwrap();
            let bytes = made(&compilation, &target);
            assert!(bytes == made(&compilation, &target), "{platform}: two builds differ");
            let file = object::File::parse(&*bytes).unwrap();
            let format = match platform.format {
                ObjectFormat::Elf => object::BinaryFormat::Elf,
                ObjectFormat::MachO => object::BinaryFormat::MachO,
                ObjectFormat::Coff => object::BinaryFormat::Coff,
            };
            let processor = match platform.processor {
                Processor::X86 => object::Architecture::X86_64,
                Processor::Arm => object::Architecture::Aarch64,
                Processor::Riscv => object::Architecture::Riscv64,
            };
            assert_eq!((file.format(), file.architecture()), (format, processor), "{platform}");
            let foreign = names(&file, |symbol| symbol.is_undefined());
            assert!(
                foreign.iter().all(|name| name == "memcpy" || name == "memset"),
                "{platform}: {foreign:?}"
            );
            let mut seen = names(&file, |symbol| symbol.is_definition() && symbol.is_global());
            seen.sort();
            let entries =
                ["m_bare_evaluate", "m_bare_initialize", "m_bare_predict", "m_bare_train", "m_constants"];
            assert_eq!(seen, entries, "{platform}");
            for section in file.sections() {
                let name = section.name().unwrap();
                let writable = section.kind() == object::SectionKind::Data;
                assert!(!writable || section.size() == 0, "{platform}: {name} can be written");
                for (_, relocation) in section.relocations() {
                    assert_ne!(relocation.kind(), object::RelocationKind::Absolute, "{platform}: {name}");
                }
            }
        }
    }
}

#[test]
fn an_object_holds_the_code_of_several_levels() {
    let compilation = compilation(FILES[0]);
    let targets = [Cpu::Portable, Cpu::V3, Cpu::V4].map(|cpu| Target::elsewhere(cpu).unwrap());
    let suffixes = ["", "_v3", "_v4"];
    let variants: Vec<Variant<'_>> =
        targets.iter().zip(suffixes).map(|(target, suffix)| Variant { target, suffix }).collect();
    let entry = |function: &str| format!("m_bare_{function}");
    let whole = symbols(&object(&compilation, &variants, "m", &entry, &[]).unwrap().bytes);
    for (target, suffix) in targets.iter().zip(suffixes) {
        let alone = symbols(&made(&compilation, target));
        for (name, bytes) in alone.iter().filter(|(name, _)| name.contains('.')) {
            let (model, kernel) = name.split_at(1);
            assert!(whole[&format!("{model}{suffix}{kernel}")] == *bytes, "{name}{suffix}");
        }
        assert!(whole.contains_key(&format!("m_bare_train{suffix}")));
    }
}
