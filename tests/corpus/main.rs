//! The corpus of the fuzz targets, and thousands of seeded mutations of it, through the readers of both wires: no
//! panic, no room made for lengths that are only said; what is malformed passes or closes.
//!
//! `LOSSDRILL_CORPUS=write cargo test --test corpus` writes the seeds anew. A find of `cargo fuzz` is added by copying
//! its input into `fuzz/corpus/`, under a name that says what it found.
#![cfg(feature = "harness")]

#[path = "../../fuzz/play.rs"]
mod play;
mod room;
mod seeds;

use std::fs;
use std::path::PathBuf;

use play::{Played, Wire, play};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Mutations of each wire's corpus; `LOSSDRILL_MUTATIONS=1000000` for an hour of them.
const MUTATIONS: usize = 3000;
const SEED: u64 = 20_260_101;
/// Changes to one input at once.
const CHANGES_MAX: usize = 6;
/// Longer inputs find nothing that shorter ones do not.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Bytes that a reader may add to what it takes: a few packets of its own for each chunk.
const OWN_BYTES_MAX: usize = 4096;

/// Room for one input: the buffers of a decompressor (lz4's blocks are 4 MB at most), a link and its task.
const ROOM_BYTES: usize = 24 * 1024 * 1024;
/// And for each byte of it: records are unpacked, read, packed and framed again.
const ROOM_FOR_EACH: usize = 256;

fn folder(wire: Wire) -> PathBuf {
    let name = match wire {
        Wire::Mysql => "mysql",
        Wire::Kafka => "kafka",
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

fn corpus(wire: Wire) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(wire)).expect("a corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("readable"));
    files.into_iter().map(read).collect()
}

/// Plays `input` and holds it to its room.
fn check(runtime: &tokio::runtime::Runtime, wire: Wire, input: &[u8], told: &str) -> Played {
    let before = room::start();
    let played = runtime.block_on(play(wire, input));
    let used = room::peak().saturating_sub(before);
    let allowed = ROOM_BYTES + ROOM_FOR_EACH * input.len();
    assert!(used <= allowed, "{told}: {used} bytes of room for {} of input", input.len());
    played
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn the_corpus_and_its_mutations_neither_panic_nor_take_room() {
    if std::env::var("LOSSDRILL_CORPUS").is_ok_and(|what| what == "write") {
        seeds::write();
    }
    let mutations = std::env::var("LOSSDRILL_MUTATIONS").map_or(MUTATIONS, |number| {
        number.parse().expect("LOSSDRILL_MUTATIONS is a number of mutations")
    });
    let runtime = runtime();
    for wire in [Wire::Mysql, Wire::Kafka] {
        let corpus = corpus(wire);
        for (name, input) in &corpus {
            check(&runtime, wire, input, name);
        }
        let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| input.as_slice()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let (mut cut, mut taken, mut given) = (0, 0, 0);
        for number in 0..mutations {
            let input = mutated(&mut rng, &inputs);
            let told = format!(
                "{wire:?} mutation {number} {}",
                hex::encode(&input[..input.len().min(64)])
            );
            let played = check(&runtime, wire, &input, &told);
            cut += usize::from(played.cut.is_some());
            taken += played.taken;
            given += played.given;
        }
        // Both ways out are taken, and most bytes go by.
        assert!(cut > 0 && cut < mutations, "{wire:?}: {cut} of {mutations} were closed");
        assert!(given > taken / 4, "{wire:?}: {given} bytes came out of {taken}");
    }
}

/// The seeds are understood: each does what its name says, or the mutations would stay at the door.
#[test]
fn the_seeds_are_the_corpus_and_are_understood() {
    let runtime = runtime();
    let mut wrong = Vec::new();
    for seed in seeds::all() {
        let path = folder(seed.wire).join(&seed.name);
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(kept, seed.input, "{}: write the corpus anew", path.display());
        let Played { taken, given, hits, cut } = runtime.block_on(play(seed.wire, &seed.input));
        let cut = cut.unwrap_or_default();
        let is_cut = cut.contains(seed.cut) && cut.is_empty() == seed.cut.is_empty();
        if !is_cut || given.cmp(&taken) != seed.grows || (hits > 0) != seed.struck {
            let told = format!("{given} of {taken}, {hits} hits, {cut}");
            wrong.push(format!("{:?} {}: {told}", seed.wire, seed.name));
        }
        assert!(given <= 2 * taken + OWN_BYTES_MAX, "{}", seed.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A counter that sees nothing would let everything pass.
#[test]
fn room_that_is_made_is_seen() {
    let before = room::start();
    drop(std::hint::black_box(vec![1_u8; ROOM_BYTES]));
    assert!(room::peak() - before >= ROOM_BYTES);
}

fn mutated(rng: &mut ChaCha8Rng, corpus: &[&[u8]]) -> Vec<u8> {
    let one = |rng: &mut ChaCha8Rng| corpus[rng.random_range(0..corpus.len())].to_vec();
    let mut input = one(rng);
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        if input.is_empty() {
            input = one(rng);
        }
        let at = rng.random_range(0..input.len());
        match rng.random_range(0..7) {
            0 => input[at] ^= 1 << rng.random_range(0..8),
            1 => input[at] = rng.random(),
            // The numbers at the edges, as lengths and counts have them.
            2 => {
                let edges: [&[u8]; 6] = [
                    &[0xff; 8],
                    &[0; 4],
                    &[0x7f, 0xff, 0xff, 0xff],
                    &[0x80, 0, 0, 0],
                    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                    &[0xff, 0xff, 0xff, 0xff, 0x0f],
                ];
                let edge = edges[rng.random_range(0..edges.len())];
                let end = (at + edge.len()).min(input.len());
                input[at..end].copy_from_slice(&edge[..end - at]);
            }
            3 => input.truncate(at),
            4 => {
                let end = rng.random_range(at..=input.len().min(at + 64));
                input.drain(at..end);
            }
            5 => {
                let end = rng.random_range(at..=input.len().min(at + 256));
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let other = one(rng);
                let from = rng.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}
