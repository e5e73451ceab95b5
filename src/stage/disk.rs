//! Room on the disk, asked before a server is started: a server that finds none says so late and
//! badly.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::StageError;

/// A data directory of 100 MB, a binlog, a log, and room to write an error.
const NEED_MB: u64 = 300;

/// Errors when the file system of `dir` (which must exist) has no room for one more server.
pub(super) fn check_room(dir: &Path) -> Result<(), StageError> {
    // a file system that does not tell is left to the server's own error
    free_mb(dir).map_or(Ok(()), |free_mb| judge(dir, free_mb))
}

fn judge(dir: &Path, free_mb: u64) -> Result<(), StageError> {
    if free_mb >= NEED_MB {
        return Ok(());
    }
    Err(StageError::DiskFull { dir: dir.to_owned(), free_mb, need_mb: NEED_MB })
}

fn free_mb(dir: &Path) -> Option<u64> {
    let path = CString::new(dir.as_os_str().as_bytes()).ok()?;
    // SAFETY: both pointers are valid for the length of the call, and the structure is plain data.
    let stat = unsafe {
        let mut stat = std::mem::zeroed::<libc::statvfs>();
        (libc::statvfs(path.as_ptr(), &raw mut stat) == 0).then_some(stat)?
    };
    Some(stat.f_bavail * stat.f_frsize / (1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_way_out() {
        assert!(judge(Path::new("/tmp/x"), NEED_MB).is_ok());
        let error = judge(Path::new("/tmp/x"), NEED_MB - 1).unwrap_err().to_string();
        assert!(error.contains("/tmp/x has 299 MB free") && error.contains("TMPDIR"), "{error}");
        assert!(free_mb(Path::new("/")).is_some());
    }
}
