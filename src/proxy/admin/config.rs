//! The configuration file: Toxiproxy's list of proxies, and the toxics of each.

use serde_json::Value;

use super::http::read_proxies;
use super::proxies::Proxies;

/// Makes all proxies of `text`, or none; how many.
pub(super) async fn load(proxies: &Proxies, text: &str) -> Result<usize, Vec<String>> {
    let value: Value = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
    let wanted = read_proxies(&value).await.map_err(|refusal| refusal.lines())?;
    let made = proxies.populate(wanted).await.map_err(|refusal| refusal.lines())?;
    Ok(made.len())
}
