//! Where a server listens or is reached: `tcp://host:port`, `ssl://host:port`, `unix:///path`,
//! and the other spellings that people use for them.

use base::Error;
use std::fmt;
use std::sync::Arc;

/// Port if an endpoint does not name one.
pub const PORT_DEFAULT: u16 = 8529;

/// Address of a server. Cheap to clone; equal endpoints share pooled connections.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(Arc<Parts>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Parts {
    Tcp { host: String, port: u16, tls: bool },
    Unix(String),
}

impl Endpoint {
    /// Reads any of the usual spellings.
    ///
    /// # Errors
    /// `BAD_PARAMETER` naming the text if it is no endpoint.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text.trim()).ok_or_else(|| Error::bad_parameter(format!("invalid endpoint '{text}'")))
    }

    /// A plain TCP endpoint.
    #[must_use]
    pub fn tcp(host: &str, port: u16) -> Self {
        Self(Arc::new(Parts::Tcp { host: host.to_owned(), port, tls: false }))
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let scheme = scheme.to_ascii_lowercase();
        // `http+tcp`, `h2+ssl`, … name protocol and transport; the transport is what matters here.
        let transport = scheme.rsplit_once('+').map_or(scheme.as_str(), |(_, transport)| transport);
        let tls = match transport {
            "tcp" | "http" | "h2" => false,
            "ssl" | "https" | "tls" | "h2s" => true,
            "unix" => return (!rest.is_empty()).then(|| Self(Arc::new(Parts::Unix(rest.to_owned())))),
            _ => return None,
        };
        let (host, port) = split_host_port(rest.split('/').next()?)?;
        Some(Self(Arc::new(Parts::Tcp { host: host.to_owned(), port, tls })))
    }

    /// Host name or address, without brackets; `localhost` for a unix socket.
    #[must_use]
    pub fn host(&self) -> &str {
        match &*self.0 {
            Parts::Tcp { host, .. } => host,
            Parts::Unix(_) => "localhost",
        }
    }

    /// Port; 0 for a unix socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &*self.0 {
            Parts::Tcp { port, .. } => *port,
            Parts::Unix(_) => 0,
        }
    }

    /// Encrypted?
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(&*self.0, Parts::Tcp { tls: true, .. })
    }

    /// Path of a unix socket.
    #[must_use]
    pub fn unix_path(&self) -> Option<&str> {
        match &*self.0 {
            Parts::Tcp { .. } => None,
            Parts::Unix(path) => Some(path),
        }
    }

    /// `host:port` as in a `Host` header and a socket address.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.host();
        if host.contains(':') { format!("[{host}]:{}", self.port()) } else { format!("{host}:{}", self.port()) }
    }

    /// `http://host:port` or `https://host:port`.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("{}://{}", if self.is_tls() { "https" } else { "http" }, self.authority())
    }
}

fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return None;
    }
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => PORT_DEFAULT,
    };
    Some((host, port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Parts::Tcp { tls, .. } => write!(f, "{}://{}", if *tls { "ssl" } else { "tcp" }, self.authority()),
            Parts::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let cases = [
            ("tcp://127.0.0.1:8529", "tcp://127.0.0.1:8529"),
            ("http://localhost:1", "tcp://localhost:1"),
            ("http+tcp://h:2/", "tcp://h:2"),
            ("https://h:2", "ssl://h:2"),
            ("ssl://h", "ssl://h:8529"),
            ("h:7", "tcp://h:7"),
            ("TCP://[::1]:7", "tcp://[::1]:7"),
            ("unix:///tmp/x.sock", "unix:///tmp/x.sock"),
        ];
        for (given, canonical) in cases {
            assert_eq!(Endpoint::parse(given).unwrap().to_string(), canonical);
        }
        for bad in ["", "tcp://", "ftp://h:1", "h:99999", "h:x", "[::1", "unix://", "a b:1"] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts() {
        let six = Endpoint::parse("ssl://[::1]:7").unwrap();
        assert_eq!((six.host(), six.port(), six.is_tls()), ("::1", 7, true));
        assert_eq!(six.http_url(), "https://[::1]:7");
        assert_eq!(Endpoint::parse("http://a:1").unwrap(), Endpoint::tcp("a", 1));
    }
}
