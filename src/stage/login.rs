//! Who we are at a MySQL server: on our own `root`, and our cells' programs `cell`, both without a password; on theirs what
//! the user gave.

use std::fmt;
use std::net::SocketAddr;

use mysql_async::OptsBuilder;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// A user and a password; printing hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: Option<String>,
}

impl Default for Login {
    fn default() -> Login {
        Login { user: "root".to_owned(), password: None }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() { " with a password" } else { "" };
        write!(f, "Login({}{password})", self.user)
    }
}

impl Login {
    /// A cell's programs on a server of our own: like anybody's, they may not write where it is read-only.
    pub(super) fn of_cell() -> Login {
        Login { user: "cell".to_owned(), password: None }
    }

    /// `mysql://root@HOST:PORT/SCHEMA`, for the programs of a cell.
    pub fn url(&self, at: SocketAddr, schema: &str) -> String {
        let password = self.password.as_ref().map(|p| format!(":{}", escaped(p)));
        format!("mysql://{}{}@{at}/{schema}", escaped(&self.user), password.unwrap_or_default())
    }

    pub fn sqlx(&self, host: &str, port: u16) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new().host(host).port(port).username(&self.user);
        let options = options.ssl_mode(MySqlSslMode::Disabled);
        match &self.password {
            Some(password) => options.password(password),
            None => options,
        }
    }

    pub fn mysql_async(&self, host: &str, port: u16) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname(host.to_owned())
            .tcp_port(port)
            .user(Some(self.user.clone()))
            .pass(self.password.clone())
            .prefer_socket(Some(false))
    }
}

/// As a URL's user part takes it.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_the_url_and_nowhere_else() {
        let at = SocketAddr::from(([127, 0, 0, 1], 3306));
        assert_eq!(Login::default().url(at, "shop"), "mysql://root@127.0.0.1:3306/shop");
        let login = Login { user: "drill".into(), password: Some("p@ss/1".into()) };
        assert_eq!(login.url(at, "s"), "mysql://drill:p%40ss%2F1@127.0.0.1:3306/s");
        assert!(!format!("{login:?}").contains("p@ss"));
    }
}
