//! A direction on which nothing is armed: what is read is written on in the same breath.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, Interest, ReadBuf};

use super::duct::Duct;
use super::scratch::{self, READ_BYTES};
use super::{Gate, Pipe, Stop};
use crate::proxy::filter::Filter;
use crate::proxy::toxic::Stamp;

/// So many full reads one after another are a bulk, and worth a kernel pipe.
const BULK_READS: usize = 4;
/// Less at once is no bulk any more.
const BULK_LEAST: usize = 16 * 1024;
/// For so long the other side may take nothing; then what is held is held in memory, as much as may be.
const PATIENCE: Duration = Duration::from_millis(20);

impl Pipe<'_> {
    /// Nothing is held, and nothing would hold what comes.
    pub(super) fn is_free(&self) -> bool {
        self.queue.is_empty() && self.chain.is_empty() && matches!(self.filter, Filter::Plain)
    }

    /// What is read is written at once, until a toxic comes, the stream ends, or the other side takes no more.
    pub(super) async fn pass_on(&mut self) -> Result<(), Stop> {
        self.account(Gate::Empty);
        let mut board = self.board.clone();
        let mut changed = pin!(board.changed());
        let mut full = 0;
        let passed = poll_fn(|cx| -> Poll<Result<(), Stop>> {
            while full < BULK_READS {
                if changed.as_mut().poll(cx).is_ready() || !self.queue.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let read = ready!(self.poll_pass(cx))?;
                full = if read == READ_BYTES { full + 1 } else { 0 };
            }
            Poll::Ready(Ok(()))
        });
        passed.await?;
        if full == BULK_READS && self.queue.is_empty() { self.splice_on().await } else { Ok(()) }
    }

    /// One read, and a write of what it brought; how much that was.
    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Stop>> {
        scratch::with(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer));
            let bytes = buffer.filled();
            if read.is_err() || bytes.is_empty() {
                self.take_in(read.map(|()| Bytes::new()))?;
                return Poll::Ready(Ok(0));
            }
            self.read_total().fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let written = match self.writer.try_write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Poll::Ready(Err(error.into())),
            };
            self.written_total().fetch_add(written as u64, Ordering::Relaxed);
            if written < bytes.len() {
                let arrived = Stamp::now(&self.shared.clock);
                self.push(Bytes::copy_from_slice(&bytes[written..]).into(), arrived);
            }
            Poll::Ready(Ok(bytes.len()))
        })
    }

    /// A bulk goes past this process, for as long as it is one and the other side takes it.
    async fn splice_on(&mut self) -> Result<(), Stop> {
        // With no descriptor left bytes go on by way of memory.
        let Ok(mut duct) = Duct::open() else { return Ok(()) };
        let mut board = self.board.clone();
        let mut changed = pin!(board.changed());
        let mut filled = BULK_LEAST;
        while filled >= BULK_LEAST || duct.held() > 0 {
            self.spliced = duct.held();
            self.account(Gate::Open);
            let (reader, writer) = (self.reader.as_ref(), self.writer.as_ref());
            tokio::select! {
                biased;
                _ = &mut changed => break,
                ready = writer.writable(), if duct.held() > 0 => {
                    ready?;
                    let drained = writer.try_io(Interest::WRITABLE, || duct.drain(writer));
                    let drained = unless_blocked(drained)?.unwrap_or(0);
                    self.written_total().fetch_add(drained as u64, Ordering::Relaxed);
                }
                ready = reader.readable(), if duct.held() == 0 => {
                    ready?;
                    let read = reader.try_io(Interest::READABLE, || duct.fill(reader));
                    match unless_blocked(read) {
                        Ok(None) => {}
                        Ok(Some(read)) if read > 0 => {
                            filled = read;
                            self.read_total().fetch_add(read as u64, Ordering::Relaxed);
                        }
                        end => {
                            self.take_in(end.map(|_| Bytes::new()))?;
                            break;
                        }
                    }
                }
                () = tokio::time::sleep(PATIENCE), if duct.held() > 0 => break,
            }
        }
        self.spliced = 0;
        if duct.held() > 0 {
            let arrived = Stamp::now(&self.shared.clock);
            self.push(duct.take()?.into(), arrived);
        }
        Ok(())
    }
}

fn unless_blocked(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}
