//! Orders and questions to Kafka that the client library has no word for: one request and its answer, by the protocol
//! itself, past every link.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{FindCoordinatorRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// As whom the broker knows us.
pub(super) const CLIENT: &str = "lossdrill";
/// One question: milliseconds. Whoever joins a group waits for the others' word.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(10);
/// Answers to us name a handful of topics and members.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The last version before tagged fields.
const FIND_COORDINATOR: i16 = 2;

/// One connection to one broker.
pub(super) struct Asker {
    stream: TcpStream,
    asked: i32,
}

impl Asker {
    pub async fn open(at: &str) -> Result<Asker, String> {
        let connected = timeout(ASK_LIMIT, TcpStream::connect(at)).await;
        let stream = connected.map_err(|_| format!("{at} does not take a connection"))?;
        let stream = stream.map_err(|error| format!("connect to {at}: {error}"))?;
        Ok(Asker { stream, asked: 0 })
    }

    /// The broker that keeps this group.
    pub async fn coordinator(bootstrap: SocketAddr, group: &str) -> Result<Asker, String> {
        let mut asker = Asker::open(&bootstrap.to_string()).await?;
        let key = StrBytes::from(group.to_owned());
        let request = FindCoordinatorRequest::default().with_key(key);
        let found = asker.ask(&request, FIND_COORDINATOR).await?;
        refused("find the coordinator", found.error_code)?;
        Asker::open(&format!("{}:{}", found.host.as_str(), found.port)).await
    }

    pub async fn ask<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, String> {
        self.asked += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.asked)
            .with_client_id(Some(StrBytes::from(CLIENT)));
        let mut frame = BytesMut::new();
        let said = |error: &dyn std::fmt::Display| format!("Kafka's request {}: {error}", R::KEY);
        header.encode(&mut frame, R::header_version(version)).map_err(|error| said(&error))?;
        request.encode(&mut frame, version).map_err(|error| said(&error))?;
        let answer = timeout(ASK_LIMIT, self.exchange(&frame)).await;
        let answer = answer.map_err(|_| said(&"no answer"))?;
        let mut answer = answer.map_err(|error| said(&error))?;
        let version_of_header = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, version_of_header);
        let header = header.map_err(|error| said(&error))?;
        if header.correlation_id != self.asked {
            return Err(said(&"an answer to another question"));
        }
        R::Response::decode(&mut answer, version).map_err(|error| said(&error))
    }

    async fn exchange(&mut self, frame: &[u8]) -> std::io::Result<Bytes> {
        let length = i32::try_from(frame.len()).map_err(std::io::Error::other)?;
        self.stream.write_all(&[&length.to_be_bytes(), frame].concat()).await?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let length = usize::try_from((&length[..]).get_i32()).map_err(std::io::Error::other)?;
        if length > ANSWER_BYTES_MAX {
            return Err(std::io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok(answer.into())
    }
}

/// An answer's own error.
pub(super) fn refused(what: &str, code: i16) -> Result<(), String> {
    match code {
        0 => Ok(()),
        code => Err(format!("{what}: Kafka answers with error {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A broker that gives one answer, whatever it is asked.
    async fn broker(answer: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 256]).await;
            let _ = stream.write_all(&answer).await;
        });
        at
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_told() {
        // Length, question; throttle, error, no words, node, host, port.
        let found = |asked: u8, code: u8| {
            let body =
                [&[0, 0, 0, 0, 0, code, 0xff, 0xff, 0, 0, 0, 1, 0, 1][..], b"h", &[0, 0, 0, 9]];
            let body = [&[0, 0, 0, asked][..], &body.concat()].concat();
            [&[0, 0, 0, body.len() as u8][..], &body].concat()
        };
        for (answer, why) in [
            (found(1, 15), "find the coordinator: Kafka answers with error 15"),
            (found(2, 0), "an answer to another question"),
            (vec![0x7f, 0, 0, 0], "an answer of 2130706432 bytes"),
            (vec![0xff; 4], "Kafka's request 10: "),
            (vec![0, 0, 0, 5, 0, 0, 0, 1, 0], "Kafka's request 10: "),
            (Vec::new(), "Kafka's request 10: "),
        ] {
            let asked = Asker::coordinator(broker(answer).await, "g").await;
            let error = asked.err().expect("no coordinator");
            assert!(error.contains(why), "{error}");
        }
        let away = Asker::coordinator("127.0.0.1:1".parse().unwrap(), "g").await.err().unwrap();
        assert!(away.starts_with("connect to 127.0.0.1:1"), "{away}");
    }
}
