//! Who may silence alerts and order anything of plans: names and tokens, from a file of lines `NAME TOKEN`.
//!
//! Owns the reading of that file and the check of a token. Tokens are kept as hashes: comparing those tells nobody how near a
//! guess was.
//! Not covered: rights of their own for each person; the file is read at start alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::http::Console;

/// Shorter ones can be guessed.
const TOKEN_CHARS: usize = 16;

#[derive(Default)]
pub struct People(Vec<(String, [u8; 32])>);

impl People {
    /// Every mistake of the file at once.
    pub fn load(path: &Path) -> Result<People, Vec<String>> {
        let name = path.display();
        let cannot = |error: std::io::Error| vec![format!("cannot read people {name}: {error}")];
        let mode = std::fs::metadata(path).map_err(cannot)?.permissions().mode();
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        let mut mistakes = Vec::new();
        if mode & 0o077 != 0 {
            mistakes.push(format!("{name} can be read by others: chmod 600 {name}"));
        }
        let people = parse(&text).unwrap_or_else(|lines| {
            mistakes.extend(lines.iter().map(|line| format!("{name}:{line}")));
            People::default()
        });
        if mistakes.is_empty() { Ok(people) } else { Err(mistakes) }
    }

    /// The person of `Authorization: Bearer TOKEN`.
    pub fn of(&self, headers: &HeaderMap) -> Option<&str> {
        let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let hash = hashed(text.strip_prefix("Bearer ")?.trim());
        self.0.iter().find(|(_, known)| *known == hash).map(|(name, _)| name.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whose token came with a request; `what` is what they ask to do.
pub(super) fn person(
    console: &Console,
    headers: &HeaderMap,
    what: &str,
) -> Result<String, Box<Response>> {
    let refused = |status: StatusCode, why: String| Box::new((status, why).into_response());
    let Some(tasks) = console.tasks() else {
        return Err(refused(StatusCode::SERVICE_UNAVAILABLE, "starting: try again".to_owned()));
    };
    if tasks.people.is_empty() {
        let why = format!("nobody may {what} here: start with --people FILE");
        return Err(refused(StatusCode::FORBIDDEN, why));
    }
    let why = "whose token is this? send `Authorization: Bearer TOKEN` of a line in --people";
    let name = tasks.people.of(headers).map(str::to_owned);
    name.ok_or_else(|| refused(StatusCode::UNAUTHORIZED, why.to_owned()))
}

/// Errors are `LINE: what`, never with a token in them.
fn parse(text: &str) -> Result<People, Vec<String>> {
    let (mut people, mut mistakes) = (Vec::<(String, [u8; 32])>::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let (number, words) = (index + 1, line.split_whitespace().collect::<Vec<_>>());
        match words[..] {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [name, token] if token.chars().count() >= TOKEN_CHARS => {
                if people.iter().any(|(known, _)| known == name) {
                    mistakes.push(format!("{number}: `{name}` stands here already"));
                }
                if people.iter().any(|(_, known)| *known == hashed(token)) {
                    mistakes.push(format!("{number}: somebody above has this token already"));
                }
                people.push((name.to_owned(), hashed(token)));
            }
            [name, _] => mistakes
                .push(format!("{number}: the token of `{name}` is shorter than {TOKEN_CHARS}")),
            _ => mistakes.push(format!("{number}: a line is NAME TOKEN")),
        }
    }
    if mistakes.is_empty() { Ok(People(people)) } else { Err(mistakes) }
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_a_token_is() {
        let text = "# on call\n\nanna 0123456789abcdef\nben  fedcba9876543210\n";
        let people = parse(text).unwrap();
        for (header, name) in [
            ("Bearer 0123456789abcdef", Some("anna")),
            ("Bearer fedcba9876543210", Some("ben")),
            ("Bearer 0123456789abcde", None),
            ("Bearer ", None),
            ("0123456789abcdef", None),
            ("Basic 0123456789abcdef", None),
        ] {
            let headers = [(header::AUTHORIZATION, header.parse().unwrap())];
            assert_eq!(people.of(&headers.into_iter().collect()), name, "{header}");
        }
        assert_eq!(people.of(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_refused() {
        let text =
            "anna short\nben\na b c\nx 0123456789abcdef\nx fedcba9876543210\ny 0123456789abcdef";
        let mistakes = parse(text).err().unwrap();
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
        assert!(!mistakes.concat().contains("0123456789abcdef"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people");
        std::fs::write(&path, "anna 0123456789abcdef\n").unwrap();
        for (mode, refused) in [(0o600, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(People::load(&path).is_err(), refused, "{mode:o}");
        }
    }
}
