//! A proxy as a request or a file asks for it.

use std::net::SocketAddr;

use serde_json::Value;

use super::fields::Fields;
use super::refusal::{Refusal, Title, mistake};
use super::toxics::{NamedToxic, name_mistake, read_list};

pub(super) const KNOWN: &[&str] = &["name", "listen", "upstream", "enabled", "toxics"];

/// What is known of it; what is not named stays, or takes its default.
pub(super) struct Wanted {
    pub name: String,
    pub listen: Option<SocketAddr>,
    pub upstream: String,
    pub enabled: bool,
    /// None: those that are there stay.
    pub toxics: Option<Vec<NamedToxic>>,
}

/// Where a proxy listens: `host:port`, `:port` for every address; a name is looked up.
pub(super) async fn resolve(fields: &mut Fields<'_>) -> Option<SocketAddr> {
    let text = fields.text("listen").filter(|text| !text.is_empty())?;
    let text = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    match tokio::net::lookup_host(&text).await.map(|mut addrs| addrs.next()) {
        Ok(Some(addr)) => Some(addr),
        Ok(None) => {
            fields.wrong(format!("`listen` `{text}` has no address"));
            None
        }
        Err(error) => {
            fields.wrong(format!("`listen` `{text}`: {error}; write host:port"));
            None
        }
    }
}

impl Wanted {
    /// Is what listens at `addr` where it is wanted? A free port was asked for where one is had.
    pub fn stays_at(&self, addr: SocketAddr) -> bool {
        let free = |listen: SocketAddr| listen.port() == 0 && listen.ip() == addr.ip();
        self.listen.is_none_or(|listen| listen == addr || free(listen))
    }

    /// `number` says which of a list it is.
    pub async fn read(value: &Value, number: Option<usize>) -> Result<Wanted, Refusal> {
        let prefix = number.map_or(String::new(), |number| format!("proxy {number}: "));
        let place = number.map_or(String::new(), |number| format!(" at proxy {number}"));
        let mut fields = Fields::of(value, &prefix, KNOWN)?;
        let (mut name, mut upstream) = (String::new(), String::new());
        for (key, field) in [("name", &mut name), ("upstream", &mut upstream)] {
            *field = fields.text(key).unwrap_or_default().to_owned();
            if field.is_empty() {
                fields.mistakes.push(mistake(Title::Missing, format!("{key}{place}")));
            }
        }
        if let Some(text) = name_mistake(&name) {
            fields.wrong(text);
        }
        let listen = resolve(&mut fields).await;
        let enabled = fields.flag("enabled").unwrap_or(true);
        let toxics = fields.get("toxics").map(|list| read_list(list, &prefix)).transpose();
        let toxics = toxics.unwrap_or_else(|refusal| {
            fields.mistakes.extend(refusal.0);
            None
        });
        fields.done(Wanted { name, listen, upstream, enabled, toxics })
    }
}
