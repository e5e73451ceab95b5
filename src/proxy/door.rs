//! A port that stays ours while nobody listens on it: connects are then refused by the system.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connects that the system may hold before they are accepted.
const BACKLOG: u32 = 1024;

fn socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Two sockets may share a port as long as only one of them listens.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

pub(super) struct Door {
    addr: SocketAddr,
    /// Bound, never listening.
    _reserved: TcpSocket,
    listener: Option<TcpListener>,
}

impl Door {
    /// Port 0 takes a free one.
    pub fn open(listen: SocketAddr) -> io::Result<Door> {
        let reserved = socket(listen)?;
        let addr = reserved.local_addr()?;
        let mut door = Door { addr, _reserved: reserved, listener: None };
        door.reopen()?;
        Ok(door)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn is_open(&self) -> bool {
        self.listener.is_some()
    }

    pub fn reopen(&mut self) -> io::Result<()> {
        self.listener = Some(socket(self.addr)?.listen(BACKLOG)?);
        Ok(())
    }

    pub fn shut(&mut self) {
        self.listener = None;
    }

    /// Never while it is shut.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        match &self.listener {
            Some(listener) => listener.accept().await.map(|(client, _)| client),
            None => std::future::pending().await,
        }
    }
}
