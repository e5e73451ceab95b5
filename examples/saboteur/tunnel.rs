//! Change capture through us: byte for byte, until it is cut for good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};

/// Of the log that comes through before a later cut: after the start, before any scenario's end.
pub const SOON_BYTES: u64 = 4_096;

/// `mysql://root@127.0.0.1:3306/shop` -> the address, and the URL with `{}` in its place.
pub fn split(url: &str) -> Option<(SocketAddr, String)> {
    let (before, host) = url.split_once('@')?;
    let (address, schema) = host.split_once('/')?;
    Some((address.parse().ok()?, format!("{before}@{{}}/{schema}")))
}

/// Listens and forwards to `upstream`; falls silent for good once `cut_after` bytes have come from there.
pub async fn open(upstream: SocketAddr, cut_after: Option<u64>) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let passed = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, upstream, cut_after, passed.clone()));
        }
    });
    Ok(address)
}

async fn forward(
    mut client: TcpStream,
    upstream: SocketAddr,
    cut_after: Option<u64>,
    passed: Arc<AtomicU64>,
) {
    let is_cut = || cut_after.is_some_and(|bytes| passed.load(Ordering::Relaxed) >= bytes);
    if is_cut() {
        // Accepted, and never answered: deaf, not refused.
        std::future::pending::<()>().await;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    if cut_after.is_none() {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let down = async {
        let mut buffer = vec![0_u8; 1024];
        while !is_cut() {
            let read = tokio::io::AsyncReadExt::read(&mut from_server, &mut buffer).await;
            let Ok(count @ 1..) = read else { return };
            passed.fetch_add(count as u64, Ordering::Relaxed);
            if tokio::io::AsyncWriteExt::write_all(&mut to_client, &buffer[..count]).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = down => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}
