//! What the API refuses with: Toxiproxy's titles and status codes, and all mistakes of a request.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Toxiproxy's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Title {
    BadBody,
    Missing,
    ProxyNotFound,
    ProxyExists,
    InvalidStream,
    InvalidType,
    ToxicExists,
    ToxicNotFound,
    LeaseNotFound,
    /// The text is the whole message, as where a port is taken.
    Failed,
}

impl Title {
    fn text(self) -> &'static str {
        match self {
            Title::BadBody => "bad request body",
            Title::Missing => "missing required field",
            Title::ProxyNotFound => "proxy not found",
            Title::ProxyExists => "proxy already exists",
            Title::InvalidStream => "stream was invalid, can be either upstream or downstream",
            Title::InvalidType => "invalid toxic type",
            Title::ToxicExists => "toxic already exists",
            Title::ToxicNotFound => "toxic not found",
            Title::LeaseNotFound => "lease not found",
            Title::Failed => "",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Title::ProxyNotFound | Title::ToxicNotFound | Title::LeaseNotFound => {
                StatusCode::NOT_FOUND
            }
            Title::ProxyExists | Title::ToxicExists => StatusCode::CONFLICT,
            Title::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Does Toxiproxy say more after this title?
    fn goes_on(self) -> bool {
        matches!(self, Title::BadBody | Title::Missing | Title::Failed)
    }
}

/// One mistake: its title, and where and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub title: Title,
    pub text: String,
}

pub(super) fn mistake(title: Title, text: impl Into<String>) -> Mistake {
    Mistake { title, text: text.into() }
}

/// All mistakes of a request, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub Vec<Mistake>);

impl From<Mistake> for Refusal {
    fn from(mistake: Mistake) -> Refusal {
        Refusal(vec![mistake])
    }
}

impl Refusal {
    fn first(&self) -> Title {
        self.0.first().map_or(Title::Failed, |mistake| mistake.title)
    }

    /// The titles as Toxiproxy writes them; those that it never lengthens are not lengthened here.
    fn error(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut last = None;
        for Mistake { title, text } in &self.0 {
            match (title.text(), title.goes_on()) {
                ("", _) => parts.push(text.clone()),
                (head, true) if last == Some(*title) && head != "" => parts.push(text.clone()),
                (head, true) => parts.push(format!("{head}: {text}")),
                (head, false) => parts.push(head.to_owned()),
            }
            last = Some(*title);
        }
        parts.join("; ")
    }

    /// One line each, for a configuration file.
    pub fn lines(&self) -> Vec<String> {
        let line = |Mistake { title, text }: &Mistake| match (title.text(), text.as_str()) {
            ("", text) => text.to_owned(),
            (head, "") => head.to_owned(),
            (head, text) => format!("{head}: {text}"),
        };
        self.0.iter().map(line).collect()
    }

    /// `{"error": …, "status": …}`, and what Toxiproxy's titles leave out under `detail`.
    pub fn json(&self) -> Value {
        let mut body = json!({"error": self.error(), "status": self.first().status().as_u16()});
        let details: Vec<_> = (self.0.iter())
            .filter(|mistake| !mistake.title.goes_on() && !mistake.text.is_empty())
            .map(|mistake| mistake.text.clone())
            .collect();
        if !details.is_empty() {
            body["detail"] = details.join("; ").into();
        }
        body
    }

    pub fn status(&self) -> StatusCode {
        self.first().status()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(self.json())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_toxiproxys_and_mistakes_are_all_there() {
        let refusal = Refusal(vec![
            mistake(Title::BadBody, "`latency` -1 is below 0"),
            mistake(Title::BadBody, "`toxicity` 2 is not in 0..=1"),
            mistake(Title::InvalidType, "`slow`; nearest: slicer"),
        ]);
        let error = "bad request body: `latency` -1 is below 0; `toxicity` 2 is not in 0..=1; \
                     invalid toxic type";
        let detail = "`slow`; nearest: slicer";
        assert_eq!(refusal.json(), json!({"error": error, "status": 400, "detail": detail}));
        let missing = Refusal::from(mistake(Title::ProxyNotFound, ""));
        assert_eq!(missing.json(), json!({"error": "proxy not found", "status": 404}));
    }
}
