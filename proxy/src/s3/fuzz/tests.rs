//! The checks over the seeds in `proxy/fuzz/corpus`, and over mutations of them: `FUZZ_CASES` of each target, 500 where it is not set.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::{Read, TARGETS, Target, check};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz")).join(name)
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(target.name);
    names(folder.clone()).into_iter().map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn what_every_seed_is_read_as_holds() {
    for target in TARGETS {
        for (name, seed) in seeds(target) {
            if let Err(broken) = (target.check)(&seed) {
                panic!("{}/{name}: {broken}", target.name);
            }
        }
    }
}

#[test]
fn every_target_has_seeds_that_are_taken_and_seeds_that_are_refused() {
    for target in TARGETS {
        let verdicts: Vec<_> = seeds(target).iter().map(|(_, seed)| (target.check)(seed)).collect();
        for read in [Read::Taken, Read::Refused] {
            assert!(verdicts.contains(&Ok(read)), "{}: none is {read:?}", target.name);
        }
    }
}

#[test]
fn a_seed_that_says_by_its_name_how_it_is_read_is_read_so() {
    for target in TARGETS {
        for (name, seed) in seeds(target) {
            let expected = match name.split('-').next() {
                Some("taken") => Read::Taken,
                Some("refused") => Read::Refused,
                _ => continue,
            };
            assert_eq!((target.check)(&seed), Ok(expected), "{}/{name}", target.name);
        }
    }
}

#[test]
fn every_target_has_a_program_and_no_program_is_without_one() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(folder("corpus")), expected);
    let programs: BTreeSet<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(folder("fuzz_targets")), programs);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &expected {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        let program = std::fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("check(\"{name}\", input)")), "{name} runs another check");
    }
    assert!(check("no_such_target", b"").is_err());
}

/// One change of a seed.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index, Index),
    Repeat(Index, Index),
    Splice(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    // What readers split at, more often than other bytes.
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b" \n\r\t:;,/?&=%+-*\"'<>{}[]0919af.\0".to_vec())];
    let at = any::<Index>;
    prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (at(), at()).prop_map(|(from, to)| Edit::Remove(from, to)),
        (at(), at()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        (at(), at(), at()).prop_map(|(seed, from, to)| Edit::Splice(seed, from, to)),
    ]
}

/// A piece of some bytes, of 64 at the most.
fn piece(bytes: &[u8], from: Index, to: Index) -> std::ops::Range<usize> {
    let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
    let start = from.min(to);
    start..from.max(to).min(start + 64)
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>, seeds: &[(String, Vec<u8>)]) {
    match *edit {
        Edit::Set(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        Edit::Set(_, byte) => bytes.push(byte),
        Edit::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), byte),
        Edit::Remove(from, to) => {
            let piece = piece(bytes, from, to);
            drop(bytes.drain(piece));
        }
        Edit::Repeat(from, to) => {
            let piece = piece(bytes, from, to);
            let copy = bytes[piece.clone()].to_vec();
            drop(bytes.splice(piece.end..piece.end, copy));
        }
        Edit::Splice(seed, from, to) => {
            let other = &seeds[seed.index(seeds.len())].1;
            let copy = other[piece(other, from, to)].to_vec();
            let at = from.index(bytes.len() + 1);
            drop(bytes.splice(at..at, copy));
        }
    }
}

#[test]
fn what_mutated_seeds_are_read_as_holds() {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500);
    for target in TARGETS {
        let seeds = seeds(target);
        let input = (any::<Index>(), proptest::collection::vec(edit(), 1..8)).prop_map(|(seed, edits)| {
            let mut bytes = seeds[seed.index(seeds.len())].1.clone();
            edits.iter().for_each(|edit| apply(edit, &mut bytes, &seeds));
            bytes
        });
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&input, |bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            (target.check)(&bytes).map(|_| ()).map_err(|broken| TestCaseError::fail(format!("{broken}\nof {text:?}")))
        });
        if let Err(error) = result {
            panic!("{}: {error}", target.name);
        }
    }
}
