//! A kernel pipe between two sockets: a bulk of bytes goes through it and is never copied into this process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// Asked for at once; the pipe takes as many pages of it as it has places.
const FILL_BYTES: usize = 1024 * 1024;
/// Neither side is waited for.
const HOW: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

pub(super) struct Duct {
    inlet: OwnedFd,
    outlet: OwnedFd,
    /// Bytes in it.
    held: usize,
}

impl Duct {
    pub fn open() -> io::Result<Duct> {
        let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Duct { inlet, outlet, held: 0 })
    }

    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes in what `from` has; 0 is the end of its stream. Only while the duct is empty: `WouldBlock` then says that
    /// `from` has nothing.
    pub fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let filled = splice(from, None, &self.inlet, None, FILL_BYTES, HOW)?;
        self.held += filled;
        Ok(filled)
    }

    /// Gives to `to` what it takes. Only while the duct holds something.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let drained = splice(&self.outlet, None, to, None, self.held, HOW)?;
        self.held -= drained;
        Ok(drained)
    }

    /// What it holds, into memory.
    pub fn take(&mut self) -> io::Result<Bytes> {
        let mut taken = vec![0; self.held];
        while self.held > 0 {
            let place = taken.len() - self.held;
            self.held -= rustix::io::read(&self.outlet, &mut taken[place..])?;
        }
        Ok(taken.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_goes_in_comes_out_or_into_memory() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let (upstream, mut heard) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let mut duct = Duct::open().unwrap();
        assert_eq!(duct.fill(&server).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"through").unwrap();
        assert_eq!((duct.fill(&server).unwrap(), duct.held()), (7, 7));
        assert_eq!((duct.drain(&upstream).unwrap(), duct.held()), (7, 0));
        let mut through = [0; 7];
        heard.read_exact(&mut through).unwrap();
        assert_eq!(&through, b"through");
        client.write_all(b"kept").unwrap();
        duct.fill(&server).unwrap();
        assert_eq!((&duct.take().unwrap()[..], duct.held()), (&b"kept"[..], 0));
        drop(client);
        assert_eq!(duct.fill(&server).unwrap(), 0, "the end");
    }
}
