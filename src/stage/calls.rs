//! What a local server asks of the kernel for its files and its clock, by order: the harness's end of `ci/preload`.
//!
//! Each server has a page of numbers in its directory, which the library that stands before its C library maps in every life
//! of it. The page goes with the server, so that nothing outlives a kill of the harness. Knows no fault. Not covered: servers
//! that are given, in containers, or leased from a warm stage.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a server finds its page.
const VARIABLE: &str = "LOSSDRILL_CALLS";
/// Four numbers of eight bytes: state, delay, skew, how many calls suffered.
const PAGE_BYTES: usize = 32;
const SUFFERED_AT: u64 = 24;

/// What becomes of a server's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Nothing,
    /// No file grows: ENOSPC. What is there may be written over.
    Full,
    /// Nothing is written: EROFS.
    ReadOnly,
    /// Each write and each sync comes so much later.
    Slow(Duration),
    /// The time of day is so many milliseconds off.
    Skewed(i64),
}

impl Order {
    /// State, delay in microseconds, skew in milliseconds.
    fn numbers(self) -> [i64; 3] {
        match self {
            Order::Nothing => [0, 0, 0],
            Order::Full => [1, 0, 0],
            Order::ReadOnly => [2, 0, 0],
            Order::Slow(delay) => [0, i64::try_from(delay.as_micros()).unwrap_or(i64::MAX), 0],
            Order::Skewed(ms) => [0, 0, ms],
        }
    }
}

/// Makes the page in `dir`; the variables that a server in there is started with, `preload` before its C library.
pub(super) fn environment(dir: &Path, preload: &str) -> io::Result<[(String, String); 2]> {
    let page = dir.join("calls");
    std::fs::write(&page, [0; PAGE_BYTES])?;
    let variable = |name: &str, value: String| (name.to_owned(), value);
    Ok([variable("LD_PRELOAD", preload.to_owned()), variable(VARIABLE, page.display().to_string())])
}

/// The calls of one server, over all its lives.
#[derive(Debug)]
pub struct Calls {
    page: File,
    path: PathBuf,
}

impl Calls {
    /// Of the server whose process this is; an error says why they cannot be reached.
    pub fn of(pid: u32) -> Result<Calls, String> {
        let environ = std::fs::read(format!("/proc/{pid}/environ"))
            .map_err(|error| format!("the environment of process {pid}: {error}"))?;
        let path = variable(&environ).ok_or_else(|| {
            format!("process {pid} was started without {VARIABLE}: run ci/setup --local again")
        })?;
        let page = OpenOptions::new().read(true).write(true).open(&path);
        let page = page.map_err(|error| format!("open {}: {error}", path.display()))?;
        Ok(Calls { page, path })
    }

    /// In force with the next call; again changes nothing.
    pub fn order(&self, order: Order) -> Result<(), String> {
        let bytes: Vec<u8> = order.numbers().into_iter().flat_map(i64::to_ne_bytes).collect();
        self.page.write_all_at(&bytes, 0).map_err(|error| self.failed("write", &error))
    }

    /// How many calls were refused or late, ever.
    pub fn suffered(&self) -> Result<u64, String> {
        let mut bytes = [0; 8];
        let read = self.page.read_exact_at(&mut bytes, SUFFERED_AT);
        read.map_err(|error| self.failed("read", &error))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn failed(&self, what: &str, error: &io::Error) -> String {
        format!("{what} {}: {error}", self.path.display())
    }
}

/// The page's path among `NAME=VALUE` texts that end in zero bytes.
fn variable(environ: &[u8]) -> Option<PathBuf> {
    let mut all = environ.split(|byte| *byte == 0);
    let value = all.find_map(|text| text.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(PathBuf::from(String::from_utf8(value.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_numbers_that_the_library_reads() {
        for (order, numbers) in [
            (Order::Nothing, [0, 0, 0]),
            (Order::Full, [1, 0, 0]),
            (Order::ReadOnly, [2, 0, 0]),
            (Order::Slow(Duration::from_millis(3)), [0, 3_000, 0]),
            (Order::Skewed(-1_500), [0, 0, -1_500]),
        ] {
            assert_eq!(order.numbers(), numbers, "{order:?}");
        }
    }

    #[test]
    fn a_page_is_found_by_its_server_and_keeps_its_count() {
        let dir = tempfile::tempdir().unwrap();
        let [_, (name, path)] = environment(dir.path(), "/lib/x.so").unwrap();
        let environ = format!("A=1\0{name}={path}\0B=2\0");
        assert_eq!(variable(environ.as_bytes()), Some(PathBuf::from(&path)));
        assert_eq!(variable(b"A=1\0NOT_LOSSDRILL_CALLS=x\0"), None);

        let page = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let calls = Calls { page, path: path.into() };
        calls.page.write_all_at(&7_u64.to_ne_bytes(), SUFFERED_AT).unwrap();
        calls.order(Order::Full).unwrap();
        calls.order(Order::Nothing).unwrap();
        assert_eq!(calls.suffered(), Ok(7));
        assert_eq!(std::fs::read(&calls.path).unwrap().len(), PAGE_BYTES);
    }

    #[test]
    fn a_process_without_a_page_is_told_how_to_get_one() {
        let error = Calls::of(std::process::id()).unwrap_err();
        assert!(error.contains("ci/setup --local"), "{error}");
    }
}
