//! Stands before the C library of a drill's server, and does to its files and its clock what a fault orders.
//!
//! `ci/setup --local` compiles it by itself (`rustc --crate-type cdylib`), and the stage starts local servers with it
//! (`LD_PRELOAD`). The orders are a page of numbers, a file that the harness writes and every life of the server maps
//! (`LOSSDRILL_CALLS`); where there is none, every call goes straight on. `src/stage/calls.rs` is the other end.
//!
//! Meets the calls by which MySQL writes: regular files only, and never standard output. Not covered: what is written
//! through a mapping or by the kernel's own queues (`io_submit`).
#![no_std]
#![allow(unused_unsafe, clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// What the file holds, in the machine's own byte order.
#[repr(C)]
struct Page {
    /// 0 nothing, [`FULL`], [`READ_ONLY`].
    state: AtomicU64,
    /// Before each write and sync.
    delay_us: AtomicU64,
    /// Added to the time of day.
    skew_ms: AtomicI64,
    /// Calls that suffered: refused, or made late.
    suffered: AtomicU64,
}

const FULL: u64 = 1;
const READ_ONLY: u64 = 2;

const ENOSPC: c_int = 28;
const EROFS: c_int = 30;
const O_ACCMODE: c_int = 3;
const O_RDWR: c_int = 2;
const O_CREAT: c_int = 0o100;
const SEEK_CUR: c_int = 1;
const SEEK_END: c_int = 2;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const CLOCK_REALTIME: c_int = 0;
const CLOCK_REALTIME_COARSE: c_int = 5;
const RTLD_NEXT: *mut c_void = -1isize as *mut c_void;
const NAP_US: u64 = 100_000;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec {
    sec: i64,
    nsec: c_long,
}

#[repr(C)]
pub struct Timeval {
    sec: i64,
    usec: c_long,
}

#[repr(C)]
pub struct Iovec {
    base: *mut c_void,
    len: usize,
}

/// The start of `struct stat` as far as the mode; the rest is room.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct Stat {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    rest: [u64; 20],
}

#[cfg(target_arch = "aarch64")]
#[repr(C)]
struct Stat {
    dev: u64,
    ino: u64,
    mode: u32,
    rest: [u64; 20],
}

#[link(name = "c")]
#[link(name = "dl")]
unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn fstat(fd: c_int, stat: *mut Stat) -> c_int;
    fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    fn __errno_location() -> *mut c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

#[cfg(target_arch = "x86_64")]
const SYS_NANOSLEEP: c_long = 35;
#[cfg(target_arch = "aarch64")]
const SYS_NANOSLEEP: c_long = 101;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

static NOTHING: Page = Page {
    state: AtomicU64::new(0),
    delay_us: AtomicU64::new(0),
    skew_ms: AtomicI64::new(0),
    suffered: AtomicU64::new(0),
};
static PAGE: AtomicPtr<Page> = AtomicPtr::new(core::ptr::null_mut());

/// The real call of this name.
struct Real {
    name: &'static [u8],
    at: AtomicUsize,
}

impl Real {
    const fn new(name: &'static [u8]) -> Real {
        Real { name, at: AtomicUsize::new(0) }
    }

    fn address(&self) -> usize {
        match self.at.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: the name ends in a zero byte.
                let found = unsafe { dlsym(RTLD_NEXT, self.name.as_ptr().cast()) } as usize;
                self.at.store(found, Ordering::Relaxed);
                found
            }
            known => known,
        }
    }
}

macro_rules! real {
    ($name:literal as $kind:ty) => {{
        static REAL: Real = Real::new(concat!($name, "\0").as_bytes());
        // SAFETY: the C library's own function of this name has this type.
        unsafe { core::mem::transmute::<usize, $kind>(REAL.address()) }
    }};
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

/// Maps the page before the program's own start.
extern "C" fn start() {
    // SAFETY: plain calls; the path ends in a zero byte, as every variable does.
    unsafe {
        let path = getenv(c"LOSSDRILL_CALLS".as_ptr());
        if path.is_null() {
            return;
        }
        let open = real!("open" as extern "C" fn(*const c_char, c_int, c_uint) -> c_int);
        let fd = open(path, O_RDWR, 0);
        if fd < 0 {
            return;
        }
        // Readable and writable, shared; the descriptor stays, as one more open file.
        let page = mmap(core::ptr::null_mut(), size_of::<Page>(), 3, 1, fd, 0);
        if page as isize != -1 {
            PAGE.store(page.cast(), Ordering::Release);
        }
    }
}

fn page() -> &'static Page {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: mapped once, and never unmapped.
    if page.is_null() { &NOTHING } else { unsafe { &*page } }
}

fn fail(error: c_int) -> isize {
    page().suffered.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the thread's own error number.
    unsafe { *__errno_location() = error };
    -1
}

fn nap(us: u64) {
    let span = Timespec { sec: (us / 1_000_000) as i64, nsec: (us % 1_000_000 * 1_000) as c_long };
    // SAFETY: the structure lives as long as the call.
    unsafe { syscall(SYS_NANOSLEEP, &raw const span, core::ptr::null_mut::<Timespec>()) };
}

fn is_file(fd: c_int) -> bool {
    let mut stat = core::mem::MaybeUninit::<Stat>::zeroed();
    // SAFETY: the structure has room for the kernel's answer.
    fd > 2 && unsafe { fstat(fd, stat.as_mut_ptr()) == 0 && stat.assume_init().mode & S_IFMT == S_IFREG }
}

/// Would bytes up to `end` make the file longer? On a full disk what is there already may be written over.
fn grows(fd: c_int, end: impl FnOnce() -> i64) -> bool {
    // SAFETY: plain calls; the position is put back where it was.
    unsafe {
        let at = lseek(fd, 0, SEEK_CUR);
        let length = lseek(fd, 0, SEEK_END);
        lseek(fd, at, 0);
        end() > length
    }
}

/// Some(-1) where the write is refused; late where writes are slow.
fn write_suffers(fd: c_int, end: impl FnOnce() -> i64) -> Option<isize> {
    let page = page();
    let (state, delay) = (page.state.load(Ordering::Relaxed), page.delay_us.load(Ordering::Relaxed));
    if (state == 0 && delay == 0) || !is_file(fd) {
        return None;
    }
    if delay > 0 {
        page.suffered.fetch_add(1, Ordering::Relaxed);
        nap(delay);
    }
    match state {
        READ_ONLY => Some(fail(EROFS)),
        FULL if grows(fd, end) => Some(fail(ENOSPC)),
        _ => None,
    }
}

fn position(fd: c_int) -> i64 {
    // SAFETY: a plain call.
    unsafe { lseek(fd, 0, SEEK_CUR) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, from: *const c_void, len: usize) -> isize {
    let end = || position(fd) + len as i64;
    write_suffers(fd, end)
        .unwrap_or_else(|| real!("write" as extern "C" fn(c_int, *const c_void, usize) -> isize)(fd, from, len))
}

unsafe fn total(parts: *const Iovec, count: c_int) -> i64 {
    // SAFETY: the caller's promise to the call itself.
    let parts = unsafe { core::slice::from_raw_parts(parts, count.max(0) as usize) };
    parts.iter().map(|part| part.len as i64).sum()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const Iovec, count: c_int) -> isize {
    let end = || position(fd) + unsafe { total(parts, count) };
    write_suffers(fd, end)
        .unwrap_or_else(|| real!("writev" as extern "C" fn(c_int, *const Iovec, c_int) -> isize)(fd, parts, count))
}

macro_rules! pwrite {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int, from: *const c_void, len: usize, at: i64) -> isize {
            write_suffers(fd, || at + len as i64).unwrap_or_else(|| {
                real!("pwrite64" as extern "C" fn(c_int, *const c_void, usize, i64) -> isize)(fd, from, len, at)
            })
        }
    )*};
}
pwrite!(pwrite pwrite64);

macro_rules! sync {
    ($($name:ident $text:literal)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int) -> c_int {
            let late = page().delay_us.load(Ordering::Relaxed);
            if late > 0 && is_file(fd) {
                page().suffered.fetch_add(1, Ordering::Relaxed);
                nap(late);
            }
            real!($text as extern "C" fn(c_int) -> c_int)(fd)
        }
    )*};
}
sync!(fsync "fsync" fdatasync "fdatasync");

/// Making files longer, and shorter.
macro_rules! sized {
    ($($name:ident $text:literal ($($arg:ident: $kind:ty),*) on $error:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int, $($arg: $kind),*) -> c_int {
            let state = page().state.load(Ordering::Relaxed);
            let refused = match state {
                READ_ONLY => Some(EROFS),
                FULL if grows(fd, || 0 $(+ $arg as i64)*) => Some(ENOSPC),
                _ => None,
            };
            match refused.filter(|_| is_file(fd)) {
                Some(error) => $error(error),
                None => real!($text as extern "C" fn(c_int, $($kind),*) -> c_int)(fd, $($arg),*),
            }
        }
    )*};
}

fn by_errno(error: c_int) -> c_int {
    fail(error) as c_int
}

/// These tell their error by their answer.
fn by_answer(error: c_int) -> c_int {
    fail(error);
    error
}

sized! {
    ftruncate "ftruncate64" (length: i64) on by_errno;
    ftruncate64 "ftruncate64" (length: i64) on by_errno;
    posix_fallocate "posix_fallocate64" (at: i64, length: i64) on by_answer;
    posix_fallocate64 "posix_fallocate64" (at: i64, length: i64) on by_answer;
}

fn open_is_refused(flags: c_int) -> bool {
    let writes = flags & O_ACCMODE != 0 || flags & O_CREAT != 0;
    writes && page().state.load(Ordering::Relaxed) == READ_ONLY
}

macro_rules! open {
    ($($name:ident $at:ident $text:literal $text_at:literal)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            match open_is_refused(flags) {
                true => fail(EROFS) as c_int,
                false => real!($text as extern "C" fn(*const c_char, c_int, c_uint) -> c_int)(path, flags, mode),
            }
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $at(dir: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            match open_is_refused(flags) {
                true => fail(EROFS) as c_int,
                false => real!($text_at as extern "C" fn(c_int, *const c_char, c_int, c_uint) -> c_int)(dir, path, flags, mode),
            }
        }
    )*};
}
open!(open openat "open" "openat" open64 openat64 "open64" "openat64");

/// A server that waits for room looks once a minute: while the disk is full it naps instead, and wakes when there is room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if page().state.load(Ordering::Relaxed) != FULL {
        return real!("sleep" as extern "C" fn(c_uint) -> c_uint)(seconds);
    }
    for _ in 0..u64::from(seconds) * 1_000_000 / NAP_US {
        if page().state.load(Ordering::Relaxed) != FULL {
            break;
        }
        nap(NAP_US);
    }
    0
}

fn skewed(sec: &mut i64, nsec: &mut i64) {
    let ms = page().skew_ms.load(Ordering::Relaxed);
    let all = *nsec + ms.rem_euclid(1_000) * 1_000_000;
    *sec += ms.div_euclid(1_000) + all / 1_000_000_000;
    *nsec = all % 1_000_000_000;
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, into: *mut Timespec) -> c_int {
    let told = real!("clock_gettime" as extern "C" fn(c_int, *mut Timespec) -> c_int)(clock, into);
    let is_skewed = page().skew_ms.load(Ordering::Relaxed) != 0;
    if told == 0 && is_skewed && matches!(clock, CLOCK_REALTIME | CLOCK_REALTIME_COARSE) {
        // SAFETY: the call above has filled it.
        let time = unsafe { &mut *into };
        skewed(&mut time.sec, &mut time.nsec);
    }
    told
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(into: *mut Timeval, zone: *mut c_void) -> c_int {
    let told = real!("gettimeofday" as extern "C" fn(*mut Timeval, *mut c_void) -> c_int)(into, zone);
    if told == 0 && !into.is_null() && page().skew_ms.load(Ordering::Relaxed) != 0 {
        // SAFETY: the call above has filled it.
        let time = unsafe { &mut *into };
        let mut nsec = time.usec * 1_000;
        skewed(&mut time.sec, &mut nsec);
        time.usec = nsec / 1_000;
    }
    told
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(into: *mut i64) -> i64 {
    let mut now = Timespec { sec: 0, nsec: 0 };
    // SAFETY: our own, above.
    unsafe {
        clock_gettime(CLOCK_REALTIME, &raw mut now);
        if !into.is_null() {
            *into = now.sec;
        }
    }
    now.sec
}
