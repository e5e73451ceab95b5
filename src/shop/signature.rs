//! The signature of a payment callback: HMAC-SHA256 over the body, in hex, with a secret that both
//! sides hold.
//!
//! Knows no HTTP. Comparison takes constant time. Try it: `cargo test --lib shop::signature`. Not
//! covered: changing the secret while running, replay windows (booking is idempotent by
//! transaction).

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-signature";
/// The environment variable that carries the secret.
pub const SECRET_ENV: &str = "LOSSDRILL_CHANNEL_SECRET";

/// The secret shared by shop and channel.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }

    /// The signature of `body`, lowercase hex.
    pub fn sign(&self, body: &[u8]) -> String {
        hex::encode(self.mac(body).finalize().into_bytes())
    }

    /// Whether `signature` is that of `body`.
    pub fn verifies(&self, body: &[u8], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(body).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("invariant: HMAC takes a key of any length");
        mac.update(body);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_body_verify() {
        let (ours, theirs) = (Secret::new("practice"), Secret::new("other"));
        let signature = ours.sign(b"{\"txn\":1}");
        assert_eq!(signature.len(), 64);
        for (secret, body, text, expect) in [
            (&ours, &b"{\"txn\":1}"[..], signature.as_str(), true),
            (&ours, b"{\"txn\":2}", signature.as_str(), false),
            (&theirs, b"{\"txn\":1}", signature.as_str(), false),
            (&ours, b"{\"txn\":1}", &signature[..62], false),
            (&ours, b"{\"txn\":1}", "not hex", false),
            (&ours, b"{\"txn\":1}", "", false),
        ] {
            assert_eq!(secret.verifies(body, text), expect, "{text}");
        }
    }
}
